/*
 * apps - what the supervisor knows of each app.
 *
 *   change.c: what the configuration wants --> wanted
 *   rollout.c: wanted -> next -> current       serve.c: current -> its clients are served
 *   leaving.c: what was current, until its last connection has ended
 *
 * worker_link.c and prober_link.c talk to the processes. The loop's thread only.
 */
#ifndef FPROXY_SUPERVISOR_APPS_H
#define FPROXY_SUPERVISOR_APPS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>
#include <uthash.h>

#include "base/control_message.h"
#include "base/log.h"
#include "proxy/supervisor/app_rollout.h"
#include "proxy/supervisor/generation.h"
#include "proxy/supervisor/readiness.h"
#include "proxy/supervisor/status.h"
#include "store/store.h"

struct event;
struct rollout;
struct supervisor;

enum { APP_REASON_BYTES = 256 };

/* A text that is configured, but did not become current. */
struct refused {
    struct shared_text *text;       /* a reference; NULL: none */
    char *source;                   /* owned; with `text` */
    uint32_t number;                /* of its generation */
    bool pinned;                    /* an operator went back from it: not tried again */
    bool presumed;                  /* ... perhaps: the database cannot tell yet (pins.h) */
    bool stepping_back;             /* ... and that is under way: if it fails, nothing was */
};

struct app {
    char name[APP_NAME_BYTES];          /* the key of the table */
    enum app_state state;               /* of `current` */
    struct supervisor *supervisor;      /* borrowed */
    struct app_generation *current;     /* owned; NULL: there is nothing it could run */
    struct app_generation *next;        /* owned: being rolled out */
    struct app_generation *wanted;      /* owned: to be rolled out when its time comes */
    LIST_HEAD(, app_generation) leaving;    /* owned */
    struct refused refused;
    char *pin;                          /* owned: the hash of the text that an operator went back
                                         * from, until that is met or is over; NULL: none */
    bool seen;                          /* stands in the change that is being applied */
    bool holds_told;                    /* the source heard that it has not what is configured */
    char *config_error;                 /* owned; NULL: its configuration is valid */
    bool removed;                       /* configured no more: it goes when the rest is over */
    bool served;                        /* accepted since this supervisor knows it */
    uint32_t good_generation;           /* the last good one; 0: none */
    uint32_t generation_last;           /* the highest number ever used */
    struct rollout *rolling;            /* borrowed: the one that it takes part in, or NULL */
    bool rolling_ready;                 /* ... and it is ready for it */
    struct app *group;                  /* while groups are formed; see rollout.c */
    bool pending;                       /* in supervisor->pending */
    TAILQ_ENTRY(app) of_pending;
    bool attended;                      /* in supervisor->attention */
    TAILQ_ENTRY(app) of_attention;
    struct app_rollout rollout;         /* the last one */
    uint64_t begun_at_ms;               /* CLOCK_MONOTONIC: of the present try */
    uint64_t waiting_since_ms;          /* CLOCK_MONOTONIC: of its worker having loaded it */
    struct control_health health, next_health;  /* as the prober told last */
    uint32_t pages_last;                /* the highest number of its files */
    uint32_t grow_to;                   /* endpoints that have to fit; 0: the board does */
    pid_t unresponsive;                 /* its worker, which does not serve its port: another one
                                         * takes over once its rollout has ended; 0: it serves */
    uint32_t retry_ms;                  /* the next wait in APP_FAILED */
    int failure;                        /* -errno of the last failed try: told once */
    bool unsettled;                     /* counted in supervisor->unsettled */
    bool named_counted;                 /* ... in supervisor->named_workers */
    uint32_t ports_counted;             /* ... in supervisor->port_count */
    struct event *timer;                /* owned; what it is for, the state tells */
    UT_hash_handle hh;
};

/* Adds an app without a generation. NULL without memory. */
struct app *app_add(struct supervisor *supervisor, const char *name);
struct app *app_find(struct supervisor *supervisor, const char *name);
/* Takes it out and frees it with all its generations. */
void app_drop(struct app *app);
void apps_free(struct supervisor *supervisor);
/* By name, whenever they came and whoever brought them. Not within a walk over them. */
void apps_sort(struct supervisor *supervisor);

/* The only place where an app changes its state. */
void app_enter(struct app *app, enum app_state next);

/* Counts anew whether it is on its way, and what it asks for: to be called when state, current,
 * next or wanted changed. */
void app_settle(struct app *app);

/* Calls serve_timer() (serve.h) after `wait_ms`; an earlier call is forgotten. */
void app_arm(struct app *app, uint64_t wait_ms);
void app_disarm(struct app *app);

/* It serves, and enough endpoints are known to work. */
bool app_ready(const struct app *app);

/* Its text is not used, for this reason; NULL: it is valid again. */
void app_set_error(struct app *app, const char *reason);

void app_forget_refused(struct app *app);
/* `hash` is copied; NULL: none. Without memory there is none. */
void app_set_pin(struct app *app, const char *hash);

/* Clients connected now, to leaving generations too. */
uint64_t app_connections(const struct app *app);

/* What `fproxy status` shows; the texts are borrowed from the app. */
void app_status(const struct app *app, uint64_t now_ms, struct app_status *status);

/* A row in `events`; `app` may be NULL. */
void event_store(struct supervisor *supervisor, enum log_level level, const char *app,
                 const char *kind, const char *message);
/* The same and a line in the log. */
void event_write(struct supervisor *supervisor, enum log_level level, const char *app,
                 const char *kind, const char *format, ...) PRINTF_LIKE(5, 6);

#endif
