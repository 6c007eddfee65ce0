/*
 * rollout - how what is wanted becomes current, in the steps of the design (section 3).
 *
 *   pending apps --grouped by the ports that move between them--> struct rollout
 *     next: ports (trial), pages; prober and worker load it      any step fails: next is dropped,
 *     ready: enough of its endpoints work                        current was never touched
 *     commit, for all of the group: next takes the clients, current leaves
 *
 * An app that serves nothing yet and needs nobody's ports begins by itself (serve.h). The
 * hand-over to another worker is a rollout too, of the same generation. The loop's thread only.
 */
#ifndef FPROXY_SUPERVISOR_ROLLOUT_H
#define FPROXY_SUPERVISOR_ROLLOUT_H

#include <sys/queue.h>

#include "proxy/supervisor/apps.h"

struct worker;

TAILQ_HEAD(pending_apps, app);

/* `wanted` or `removed` is new: it is considered by the next rollouts_start(). */
void rollout_want(struct app *app);

/* Starts whatever is pending and can be, but not more at once than ROLLOUTS_LOADING_MAX: with
 * thousands of apps the first ones serve while others are still begun. */
enum { ROLLOUTS_LOADING_MAX = 256 };
void rollouts_start(struct supervisor *supervisor);
/* One less is being loaded. */
void rollouts_loaded(struct supervisor *supervisor);

/* Something that the app's rollout may wait for has happened; does nothing without one. */
void rollout_advance(struct app *app);

/* There is a `next`, and its worker may be given it now: it knows `current`, whose ports are
 * shared. */
bool rollout_may_load(const struct app *app);

/* The worker of `next` has ended; it had been given it, or not yet. */
void rollout_lost(struct app *app, bool was_sent);

/* A step failed: `outcome` is "failed" or "rolled_back". Ends it for the whole group. */
void rollout_fail(struct app *app, const char *outcome, const char *reason);

/* A newer change has come: everything of the group is wanted again. */
void rollout_abort(struct app *app);

/* The supervisor stops: nothing is wanted any more. */
void rollouts_cancel(struct supervisor *supervisor);

/* Hands the app over to the worker that its configuration and the settings name, when that is
 * not the one it has, or its own has retired. False: not now, for something is under way. */
bool rollout_hand_over(struct app *app);

#endif
