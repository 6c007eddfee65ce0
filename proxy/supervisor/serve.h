/*
 * serve - the way of an app's current generation to its clients, and back after trouble.
 *
 *   begin: ports, pages -> prober; worker loads   (APP_LOADING)
 *          the worker has loaded it               (APP_WAITING)
 *          ready, or nothing more to wait for     (APP_SERVING: recorded as last good)
 *   a step fails                                  (APP_FAILED: begins again, 1 s to 30 s)
 *   the worker ends                               (APP_RESTARTING: sockets stay open)
 *
 * How another generation takes its place is rollout.h's. What happened comes in as calls from
 * the timer and the links to the processes. The loop's thread only.
 */
#ifndef FPROXY_SUPERVISOR_SERVE_H
#define FPROXY_SUPERVISOR_SERVE_H

#include "proxy/supervisor/apps.h"

/* Starts the app's current generation, of which nothing is there yet. */
void serve_begin(struct app *app);

/* What app_arm() armed is due. */
void serve_timer(struct app *app);

/* One that cannot serve and waits for its next try: that is now. False: it is none. */
bool serve_retry(struct app *app);

/* Its worker takes orders (again). */
void serve_worker_there(struct app *app);
/* It is about to be sent to its worker: what it needs for that. 0 or -errno. */
int serve_before_load(struct app_generation *generation);
/* A generation (current or next) has been loaded, or cannot be; or its worker has ended. */
void serve_worker_loaded(struct app_generation *generation);
void serve_worker_refused(struct app_generation *generation, const char *why);
/* ... `was_sent`: it had been given it. */
void serve_worker_lost(struct app_generation *generation, bool was_sent, const char *why);

/* The health of the current generation is new; the prober cannot load it. */
void serve_health(struct app *app);
void serve_prober_refused(struct app_generation *generation, const char *why);

/* A leaving generation has left. */
void serve_left(struct app *app);

#endif
