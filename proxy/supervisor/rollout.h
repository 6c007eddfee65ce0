/*
 * rollout - an app's way from its configuration to serving, and back after trouble.
 *
 *   begin: bind -> pages -> prober, worker load   (APP_LOADING)
 *          worker has loaded                      (APP_WAITING)
 *          ready, or nothing more to wait for     (APP_SERVING: recorded as last good)
 *   a step fails                                  (APP_FAILED: begins again, 1 s to 30 s)
 *   the worker ends                               (APP_RESTARTING: sockets stay open)
 *
 * What happened comes in as calls from the timer and the links to the processes. The
 * loop's thread only.
 */
#ifndef FPROXY_SUPERVISOR_ROLLOUT_H
#define FPROXY_SUPERVISOR_ROLLOUT_H

#include "proxy/supervisor/apps.h"

struct child_end;

/* Starts an app that has a generation. */
void rollout_begin(struct app *app);

/* Its configuration is invalid: that is its last rollout, whether it runs on the last good
 * one (held_back) or not at all. Before rollout_begin(). */
void rollout_hold_back(struct app *app, const char *reason);

/* What app_arm() armed is due. */
void rollout_timer(struct app *app);

/* The worker has loaded the app, or cannot. */
void rollout_worker_loaded(struct app *app);
void rollout_worker_refused(struct app *app, const char *why);
/* app->worker is NULL already. */
void rollout_worker_ended(struct app *app, const struct child_end *end, int pid,
                          uint64_t started_at_ms);

/* app->health is new. */
void rollout_health(struct app *app);
void rollout_prober_refused(struct app *app, const char *why);

#endif
