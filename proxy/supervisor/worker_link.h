/*
 * worker_link - what the supervisor says to an app's worker, and hears from it.
 *
 *   SETTINGS  APP_LOAD  APP_SOCKETS... (each acknowledged)  APP_COMMIT -> APP_LOADED
 *   APP_ACCEPT   APP_BOARD -> APP_LOADED   STOP -> APP_GONE, end
 *
 * What follows from it, rollout.c decides.
 */
#ifndef FPROXY_SUPERVISOR_WORKER_LINK_H
#define FPROXY_SUPERVISOR_WORKER_LINK_H

#include "proxy/supervisor/apps.h"

/* Starts a worker and gives it the app's generation. 0 or -errno. */
int worker_link_start(struct app *app);

/* From now on it accepts. 0 or -errno. */
int worker_link_accept(struct app *app);

/* Sends the pages that count now, when the worker still has older ones. */
void worker_link_send_board(struct app *app);

/* It drains for at most `deadline_ms`; 0: it ends at once. */
void worker_link_stop(struct app *app, uint32_t deadline_ms);

#endif
