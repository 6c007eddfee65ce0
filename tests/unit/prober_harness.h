/*
 * prober_harness - plays the supervisor for a real fproxy-prober process.
 *
 * For the tests of that process only. Everything fails the test by cmocka's assertions;
 * waiting has a deadline and ends as soon as what it waits for is there.
 */
#ifndef FPROXY_TESTS_PROBER_HARNESS_H
#define FPROXY_TESTS_PROBER_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/control_message.h"
#include "config/app.h"
#include "config/settings.h"
#include "strategy/board.h"
#include "strategy/traffic.h"

enum { HARNESS_RECORDS_MAX = 4096, HARNESS_REPORTS_MAX = 16, HARNESS_WAIT_MS = 10000 };

struct harness {
    pid_t pid;
    int control;
    bool with_traffic;                  /* boards go with a traffic page; the caller's choice */
    struct traffic *traffic;            /* the last such, writable: this is the worker too */
    int dir;                            /* where boards are made; removed at the end */
    char dir_path[64];
    struct control_health health;       /* the last one */
    uint32_t health_count;
    struct control_app loaded, grow;    /* the last ones */
    uint32_t loaded_count, grow_count, pong_count, hello_count, report_end_count;
    struct control_app reports[HARNESS_REPORTS_MAX];    /* the first ones */
    char *report_texts[HARNESS_REPORTS_MAX];            /* owned */
    uint32_t report_count;
    bool records_ignored;               /* the caller's choice */
    int board_fd, traffic_fd;           /* of the last that were made; -1: none */
    int listener;                       /* bound; the prober listens at it */
    struct record records[HARNESS_RECORDS_MAX];
    uint32_t record_count;
};

/* Starts the prober and gives it `settings`. */
struct harness *harness_start(const struct settings *settings);
/* STOP, or SIGTERM when `control` was closed; the exit status must be 0. */
void harness_stop(struct harness *harness);

/* kill -9, and the next prober in its place, which knows nothing but `settings`. */
void harness_replace(struct harness *harness, const struct settings *settings);
/* The supervisor is gone. */
void harness_leave(struct harness *harness);
/* Another one connects; an earlier connection is left open and returned (-1: there is none). */
int harness_succeed(struct harness *harness);

void harness_send(struct harness *harness, const struct control_message *message, int fd1,
                  int fd2);
void harness_seed(struct harness *harness, const struct record *records, size_t count);

/* Loads `app` with a new board of `slots` slots, waits for APP_LOADED (0) and returns the
 * board, mapped for reading. */
struct board *harness_load(struct harness *harness, const struct app_config *app,
                           uint32_t generation, uint32_t board_number, uint32_t slots);
/* The same with the board and traffic page that were made last. */
void harness_load_again(struct harness *harness, const struct app_config *app,
                        uint32_t generation, uint32_t board_number);
/* The board that answers an APP_GROW. */
struct board *harness_grow(struct harness *harness, const char *app, uint32_t generation,
                           uint32_t board_number, uint32_t slots);
/* A new worker: the same board, and the traffic page anew. */
void harness_renew_traffic(struct harness *harness, const struct board *board);
void harness_unload(struct harness *harness, const char *app, uint32_t generation);

/* Reads messages until `ready(harness, context)`; fails after HARNESS_WAIT_MS. */
typedef bool harness_ready_fn(const struct harness *harness, const void *context);
void harness_wait(struct harness *harness, harness_ready_fn *ready, const void *context);
/* Reads messages for so long. */
void harness_read_for(struct harness *harness, uint32_t ms);

/* Records of `kind` (and with `address`, unless NULL) that arrived so far. */
uint32_t harness_records(const struct harness *harness, enum record_kind kind,
                         const char *address);
/* The last of them, or NULL. */
const struct record *harness_record(const struct harness *harness, enum record_kind kind,
                                    const char *address);

/* The detail of the endpoint at `target` and `address` ("" for none); false: not there. */
bool harness_detail(const struct board *board, const char *target, const char *address,
                    struct board_detail *detail);
/* What is published: "127.0.0.1:1 [::1]:2", into `text`; with "panic " before it in panic. */
const char *harness_published(const struct board *board, char *text, size_t bytes);

/* An app with these targets (host:port or ip:port), probed every 200 ms, timeout 200 ms. */
void harness_app(struct app_config *app, const char *name, const char *const *targets,
                 uint32_t count);

/* Listening sockets on 127.0.0.1 and friends: port 0 picks one; *port is what it got. */
int harness_listen(const char *ip, uint16_t *port, int backlog);
/* A port that accepts no handshake: listening, but with a full queue. `fds` has room for 4. */
void harness_black_hole(uint16_t *port, int *fds);

#endif
