/*
 * board_writer - what others see of an app: its board, and what the supervisor is told. The
 * prober's files only.
 */
#ifndef FPROXY_PROBES_BOARD_WRITER_H
#define FPROXY_PROBES_BOARD_WRITER_H

#include "probes/prober_app_priv.h"

/* Takes the board over, for the app's endpoints to come. 0 or -ENOMEM (the caller's then). */
int board_writer_init(struct prober_app *app, struct board *board);
void board_writer_fini(struct prober_app *app);

/* Moves everything to a larger board. 0, -EINVAL (it is smaller) or -ENOMEM: the caller's. */
int board_writer_move(struct prober_app *app, struct board *board);

/* While a board is recalled, none: its slots may belong to endpoints that are still to come. */
void board_writer_take_slot(struct endpoint *endpoint);
/* The one that endpoint->slot tells, and that it had before. */
void board_writer_keep_slot(struct endpoint *endpoint);
void board_writer_free_slot(struct endpoint *endpoint);
/* Of a slot that nobody has: whom it belonged to is no more. */
void board_writer_clear_slot(struct prober_app *app, uint32_t slot);
/* Gives a slot to those that have none, as far as there are any. */
void board_writer_house(struct prober_app *app);

/* What the board has published is what was published. */
void board_writer_recall(struct prober_app *app);

/* Writes the endpoint's detail and pulse, when it has a slot. */
void board_writer_show(const struct endpoint *endpoint);

/* States or endpoints changed: publishes and reports before the loop waits again. */
void board_writer_changed(struct prober_app *app);

/* The same at once, for the board alone. */
void board_writer_publish(struct prober_app *app);

/* A supervisor that knows nothing yet gets the app's health, and what it asks for. */
void board_writer_tell_again(struct prober_app *app);

/* Tells of panics and changes of tiers that came too fast to be told one by one. To be called
 * every now and then. */
void board_writer_minute(struct prober_app *app, int64_t wall_ms);

#endif
