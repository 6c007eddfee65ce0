/*
 * leaving - generations that take no client any more, until their last connection has ended.
 *
 *   current --replaced in its worker-->  [ leaving ]  --APP_GONE, or the worker's end--> freed
 *           --app removed: APP_DRAIN-->
 *           --went over to another worker: APP_RETIRE-->
 *   follower of one that did (follow.h): APP_FOLLOW-->
 *
 * They keep their pages, so that their connections are counted, and those of their ports that
 * nobody else has until their worker has closed them. The loop's thread only.
 */
#ifndef FPROXY_SUPERVISOR_LEAVING_H
#define FPROXY_SUPERVISOR_LEAVING_H

#include "proxy/supervisor/generation.h"

/* `generation`, which was current and has been told to its worker, is the app's no longer; or it
 * never was, and follows one that leaves. */
void leaving_begin(struct app_generation *generation);

/* It is gone: no connection of it is left. `traffic_number` tells two of one number apart; 0:
 * not told. */
void leaving_gone(struct app *app, const struct worker *worker, uint32_t number,
                  uint32_t traffic_number);

/* Of its ports those beside which others are open that overlap them ("5001" and
 * "127.0.0.1:5001"): while ours are open, clients come to queues that nobody empties. */
void leaving_overlaps_closed(struct app_generation *generation);

/* The worker has closed the ports of the app that are no longer configured. */
void leaving_ports_closed(struct app *app, const struct worker *worker);

/* Its worker has ended. */
void leaving_lost(struct app_generation *generation);

#endif
