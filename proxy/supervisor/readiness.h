/*
 * readiness - when an app may accept, and the one word that tells how it is. Pure.
 */
#ifndef FPROXY_SUPERVISOR_READINESS_H
#define FPROXY_SUPERVISOR_READINESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/control_message.h"

/* Where an app stands on its way to serving; changed by app_enter() only. */
enum app_state {
    APP_NEW,            /* nothing was done yet */
    APP_HELD,           /* its configuration is invalid and no good one is known */
    APP_FAILED,         /* its ports, files or prober could not be had; a retry is armed */
    APP_LOADING,        /* ports bound, pages exist; prober and worker have been given it */
    APP_WAITING,        /* the worker has loaded it; too few endpoints are known to work */
    APP_SERVING,        /* the worker accepts */
    APP_RESTARTING,     /* the worker ended; clients wait in the sockets' queues */
    APP_STOPPING,       /* ports closed here; the worker drains */
    APP_STOPPED,        /* nothing of it runs */
    APP_STATES
};

const char *app_state_name(enum app_state state);

/* May an app go from one state to the other? */
bool app_state_allows(enum app_state from, enum app_state to);

/* Enough endpoints are known to work. `health` zeroed: nothing was heard yet. */
bool readiness_reached(const struct control_health *health, uint32_t min_available);

/* A first start may accept: it is ready, or nothing more is to be learnt, or time is up. */
bool readiness_may_accept(const struct control_health *health, uint32_t min_available,
                          uint64_t waited_ms, uint32_t timeout_ms);

/* The public word (design, section 9, and `fproxy status`). `held_back`: it runs on its last
 * good configuration because the present one is invalid. `looping`: its worker keeps ending.
 * `rolling_out`: another generation is on its way. */
const char *readiness_word(enum app_state state, const struct control_health *health,
                           bool held_back, bool looping, bool rolling_out);

#endif
