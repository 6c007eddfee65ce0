/*
 * apps - what the supervisor knows of each app.
 *
 * rollout.c drives them, worker_link.c and prober_link.c talk to the processes. The loop's
 * thread only.
 */
#ifndef FPROXY_SUPERVISOR_APPS_H
#define FPROXY_SUPERVISOR_APPS_H

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "base/control.h"
#include "base/log.h"
#include "proxy/supervisor/generation.h"
#include "proxy/supervisor/readiness.h"
#include "proxy/supervisor/restart.h"
#include "proxy/supervisor/status.h"
#include "store/store.h"

struct child;
struct event;
struct supervisor;

enum { APP_REASON_BYTES = 256 };

struct app {
    char name[APP_NAME_BYTES];          /* the key of the table */
    enum app_state state;
    struct supervisor *supervisor;      /* borrowed */
    struct app_generation *current;     /* owned; NULL: there is nothing it could run */
    uint32_t from_generation;           /* the last good one before; 0: none */
    bool held_back;                     /* `current` is the last good one, not the present text */
    bool recorded;                      /* the database holds `current` as good */
    bool served;                        /* accepted since this supervisor started */
    struct store_rollout rollout;       /* the last one; its outcome is "" while it is open */
    uint64_t begun_at_ms;               /* CLOCK_MONOTONIC: of the present try */
    struct control_health health;       /* as the prober told last */
    struct child *worker;               /* NULL while none runs */
    struct restart restart;             /* of its worker */
    size_t sockets_sent;                /* descriptors the worker was given */
    uint32_t pages_last;                /* the highest number of its pages */
    uint32_t grow_to;                   /* endpoints that have to fit; 0: the board does */
    uint32_t retry_ms;                  /* the next wait in APP_FAILED */
    int failure;                        /* -errno of the last failed try: told once */
    struct event *timer;                /* owned; what it is for, the state tells */
    UT_hash_handle hh;
};

/* Adds an app without a generation. NULL without memory. */
struct app *app_add(struct supervisor *supervisor, const char *name);
struct app *app_find(struct supervisor *supervisor, const char *name);
/* Frees them all; no worker may run. */
void apps_free(struct supervisor *supervisor);

/* The only place where an app changes its state. */
void app_enter(struct app *app, enum app_state next);

/* Calls rollout_timer() (rollout.h) after `wait_ms`; an earlier call is forgotten. */
void app_arm(struct app *app, uint64_t wait_ms);
void app_disarm(struct app *app);

/* It serves, and enough endpoints are known to work. */
bool app_ready(const struct app *app);

/* What `fproxy status` shows; the texts are borrowed from the app. */
void app_status(const struct app *app, uint64_t now_ms, struct app_status *status);

/* A row in `events`; `app` may be NULL. */
void event_store(struct supervisor *supervisor, enum log_level level, const char *app,
                 const char *kind, const char *message);
/* The same and a line in the log. */
void event_write(struct supervisor *supervisor, enum log_level level, const char *app,
                 const char *kind, const char *format, ...) PRINTF_LIKE(5, 6);

#endif
