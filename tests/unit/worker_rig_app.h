/*
 * worker_rig_app - generations of apps in the worker of a rig, as many as a test likes.
 *
 * A test says what a generation listens at and which targets it has (every one is published
 * as available); its sockets are given along or not, as the worker has them or not.
 */
#ifndef FPROXY_TESTS_WORKER_RIG_APP_H
#define FPROXY_TESTS_WORKER_RIG_APP_H

#include <stdint.h>

#include "tests/unit/worker_rig.h"

enum { RIG_PORTS_MAX = 4, RIG_SOCKETS_MAX = 8 };

struct rig_app {
    const char *name;
    uint32_t generation;
    uint32_t threads;
    unsigned port_count, target_count, socket_count;
    uint16_t ports[RIG_PORTS_MAX];
    uint16_t targets[RIG_TARGETS_MAX];
    int sockets[RIG_SOCKETS_MAX];           /* borrowed */
    uint16_t socket_ports[RIG_SOCKETS_MAX]; /* index in `ports` of each */
    unsigned total_sockets;                 /* more than socket_count: the rest never comes, and
                                             * no COMMIT either */
    void (*configure)(struct app_config *app);
    struct board *board;                    /* set by rig_app_load() */
    struct traffic *traffic;
};

/* APP_LOAD, APP_SOCKETS and APP_COMMIT, without waiting; rig_app_load() waits for the answer:
 * `result` of APP_LOADED. */
void rig_app_send(struct rig *rig, struct rig_app *app);
int rig_app_load(struct rig *rig, struct rig_app *app);
/* APP_ACCEPT, what cannot be carried over having `limit_ms`; waits for APP_ACCEPTING. */
void rig_app_accept(struct rig *rig, const struct rig_app *app, uint32_t limit_ms);
void rig_app_order(struct rig *rig, const struct rig_app *app, enum control_type type,
                   uint32_t count);
/* Waits for APP_GONE of this generation. */
void rig_app_expect_gone(struct rig *rig, const struct rig_app *app);
/* Unmaps its files. */
void rig_app_fini(struct rig_app *app);

/* Both ends of a connection through the worker, which has carried a byte both ways. */
struct rig_pair {
    int client, target;
};
struct rig_pair rig_pair_connect(uint16_t port, int listener);
void rig_pair_talk(const struct rig_pair *pair);
void rig_pair_close(const struct rig_pair *pair);
/* These bytes arrive. */
void rig_say(int from, int to, const char *text);

struct traffic_totals rig_app_totals(const struct rig_app *app);

#endif
