/*
 * worker_link - what the supervisor says to a worker, and hears from it.
 *
 *   SETTINGS   APP_LOAD  APP_SOCKETS... (each acknowledged)  APP_COMMIT -> APP_LOADED
 *   APP_ACCEPT -> APP_ACCEPTING   APP_BOARD -> APP_LOADED   APP_DRAIN, APP_RETIRE -> APP_GONE
 *   APP_LOAD  APP_FOLLOW -> APP_GONE (follow.h)   PING -> PONG   STOP -> end
 *   TOLD_TO_END -> another worker takes over (relief.h)
 *
 * What follows from it, serve.c, rollout.c and leaving.c decide.
 */
#ifndef FPROXY_SUPERVISOR_WORKER_LINK_H
#define FPROXY_SUPERVISOR_WORKER_LINK_H

#include <stdbool.h>

#include "base/control_message.h"
#include "proxy/supervisor/generation.h"
#include "proxy/supervisor/workers.h"

/* The first words to one that is there. */
void worker_link_greet(struct worker *worker);
void worker_link_settings(struct worker *worker);

/* Gives a generation (ports and pages acquired; of one that leaves, pages alone) to its worker,
 * which is there, as soon as that takes it; what fails is told to serve.c. */
void worker_link_load(struct app_generation *generation);
/* ... or only puts it into the queue, for worker_link_drained(). */
void worker_link_queue(struct app_generation *generation);
void worker_link_forget(struct app_generation *generation);
/* The worker takes more. */
void worker_link_drained(struct worker *worker);

/* Its worker takes clients with it from now on; of older ones of the app, connections to what
 * is configured no more have `drain_ms` left. 0 or -errno. */
int worker_link_accept(struct app_generation *generation, uint32_t drain_ms);

/* Sends the pages that count now, when the worker still has older ones. */
void worker_link_board(struct app_generation *generation);

/* It takes nobody any more: its ports are closed (drain), or live on elsewhere (retire, 0:
 * without limit). APP_GONE follows, or the worker's end. */
void worker_link_drain(struct app_generation *generation, uint32_t limit_ms);
void worker_link_retire(struct app_generation *generation, uint32_t limit_ms);

/* All of it drains for at most `deadline_ms` and the process ends; 0: at once. */
void worker_link_stop(struct worker *worker, uint32_t deadline_ms);

/* A message of the worker after its report. */
void worker_link_message(struct worker *worker, const struct control_message *message);

#endif
