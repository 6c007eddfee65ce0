/*
 * pages - the shared files of a generation: its board and its worker's traffic page.
 *
 *   board-APP.NUMBER     written by the prober    slots of the one are those of the other
 *   traffic-WORKER.APP.NUMBER   by the worker     (strategy/board.h, strategy/traffic.h)
 *
 * While a generation goes over to another worker both have the same board and a traffic page
 * each. No descriptor is kept: with thousands of apps they would be most of all descriptors;
 * a file is opened by its name when a child has to get it. The loop's thread only.
 */
#ifndef FPROXY_SUPERVISOR_PAGES_H
#define FPROXY_SUPERVISOR_PAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "strategy/board.h"
#include "strategy/traffic.h"

struct board_file {
    uint32_t number, slots;
    uint32_t refs;
    char name[BOARD_NAME_BYTES];
};

struct pages {
    struct board_file *board;       /* shared by reference */
    uint32_t traffic_number;
    struct traffic *traffic;        /* owned, mapped read-only; NULL: its worker has ended */
    char traffic_name[TRAFFIC_NAME_BYTES];
};

/* Whose files, and how they are numbered: no number is used twice for an app. */
struct pages_owner {
    int runtime_fd;
    const char *app, *worker;
    uint32_t *last_number;          /* the highest so far; counted up */
};

/* A new board for a generation, and a traffic page for a worker of so many threads. 0 or
 * -errno. */
int pages_create(const struct pages_owner *owner, uint32_t generation, uint32_t slots,
                 uint32_t threads, struct pages **pages);
/* The same board, and a traffic page for another worker. 0 or -errno. */
int pages_share(const struct pages_owner *owner, const struct pages *with, uint32_t threads,
                struct pages **pages);
/* A fresh traffic page in place of the old one: a new worker counts from zero. 0 or -errno. */
int pages_renew_traffic(const struct pages_owner *owner, struct pages *pages,
                        uint32_t threads);
/* Those that an earlier supervisor made; `known`: the board, where another generation has it as
 * well, else NULL. 0 or -errno. */
int pages_adopt(const struct pages_owner *owner, struct board_file *known,
                uint32_t board_number, uint32_t traffic_number, struct pages **pages);
/* Unlinks what nobody else has; `pages` may be NULL. */
void pages_destroy(int runtime_fd, struct pages *pages);

/* A new descriptor, the caller's; or -errno. */
int pages_open_board(int runtime_fd, const struct pages *pages, bool writable);
int pages_open_traffic(int runtime_fd, const struct pages *pages, bool writable);

/* Clients connected now. */
uint64_t pages_connections(const struct pages *pages);

#endif
