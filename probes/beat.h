/*
 * beat - that the prober lives, and how late its probes begin, on the board of every app. The
 * prober's files only.
 *
 *   prober.beats:  [ board, app | board, app | ... ]  -- every 3 s --> board.beat_ms, board.lag
 *
 * The boards stand in one array, since each of them is memory that nobody keeps warm: in a list
 * the next one would be found only when the one before it has come.
 */
#ifndef FPROXY_PROBES_BEAT_H
#define FPROXY_PROBES_BEAT_H

#include <stdint.h>

#include "probes/prober_app_priv.h"

/* From now on the app's board gets beats. 0 or -ENOMEM. */
int beat_join(struct prober_app *app);
/* The app, which has joined, has another board now. */
void beat_move(struct prober_app *app);
void beat_leave(struct prober_app *app);

/* With every beat from now on, or no more, board_writer_changed() is called: what was published
 * may be wrong when only time passed. */
void beat_review(struct prober_app *app, bool wanted);

void beat_all(struct prober *prober, uint64_t now_ms);

#endif
