/*
 * overrides - what operators said of apps' targets (base/override.h): held here, written to the
 * store, obeyed by the prober.
 *
 *   store --overrides_read()--> [ by app ] --overrides_send()--> prober
 *         overrides_late.h         ^ overrides_change(): an operator
 *
 * They are kept for apps and targets that are not configured (any more), too. In the database the
 * target "" is no override of targets but a rollback. The loop's thread only.
 */
#ifndef FPROXY_SUPERVISOR_OVERRIDES_H
#define FPROXY_SUPERVISOR_OVERRIDES_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <uthash.h>

#include "base/override.h"
#include "strategy/board.h"

struct store_override;
struct supervisor;

struct app_overrides {
    UT_hash_handle hh;
    struct override *list;      /* owned; at least one */
    size_t count;
    char app[APP_NAME_BYTES];
};

/* At the start, from what the database knew (supervisor->known). When it could not be read, it is
 * later (overrides_late.h). */
void overrides_read(struct supervisor *supervisor);
void overrides_free(struct supervisor *supervisor);

/* All of these in the place of what there is. */
void overrides_take(struct supervisor *supervisor, const struct store_override *rows,
                    size_t count);

/* Those of an app; NULL: none. */
const struct override *overrides_of(const struct supervisor *supervisor, const char *app,
                                    size_t *count);

/* One more word of an operator: remembered, and queued for the store. `broader` is the configured
 * text of the target whose address `target` is, or NULL. "ready" takes away what was said of the
 * same; of OVERRIDE_ALL: all. 0, -ENOMEM, or -ENOSPC (OVERRIDES_MAX). */
int overrides_change(struct supervisor *supervisor, const char *app, const char *target,
                     const char *broader, enum override_action action, const char *note);

/* The same, as it was said at `override`'s time and is kept in mind already. */
int overrides_apply(struct supervisor *supervisor, const char *app, const char *broader,
                    const struct override *override);

/* Gives them to the prober, if one is there; `serial` comes back with its answer. 0, or -errno:
 * it was not sent. */
int overrides_send(struct supervisor *supervisor, const char *app, uint32_t serial);

/* The board of what serves of an app, to be closed by the caller; NULL: nothing does. */
struct board *overrides_board(const struct supervisor *supervisor, const char *app);

/* Is `target` the configured text or the address of that endpoint, or OVERRIDE_ALL? */
bool overrides_means(const char *target, const struct board_detail *detail);

/* [{"target", "action", "since", "note", "exists"}]; NULL: none, or no memory. */
json_t *overrides_json(const struct supervisor *supervisor, const char *app);

#endif
