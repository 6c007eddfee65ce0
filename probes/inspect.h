/*
 * inspect - what is known about apps and their endpoints, gathered for people.
 *
 *    RUNTIME_DIR/board-<app>.<n>  --inspect_read_boards()----\
 *                                                             >--> struct inspect_view
 *    STATE_DIR/fproxy.db          --inspect_read_database()--/
 *
 * Used by the operator's command only: it reads, asks nobody and disturbs nobody. A view
 * owns everything in it; inspect_view_free() frees it. Times are wall ms; 0: not known.
 */
#ifndef FPROXY_PROBES_INSPECT_H
#define FPROXY_PROBES_INSPECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/names.h"
#include "strategy/board.h"

enum {
    INSPECT_WORD_BYTES = 32,        /* states, reasons, outcomes, kinds */
    INSPECT_FRESH_MS = 10000,       /* a board whose prober was heard later than that is live */
};

/* The last probe of an endpoint. */
struct inspect_probe {
    int64_t at_ms;                  /* 0: there was none */
    double duration_ms;
    char kind[INSPECT_WORD_BYTES];
    char outcome[INSPECT_WORD_BYTES];
    char detail[DETAIL_BYTES];
};

/* Do new connections get it? Only a board tells. */
enum inspect_handed { INSPECT_HANDED_UNKNOWN, INSPECT_HANDED_OUT, INSPECT_HELD_BACK };

struct inspect_endpoint {
    char target[TARGET_NAME_BYTES];
    char address[ADDRESS_TEXT_BYTES];       /* "" while unresolved */
    char state[INSPECT_WORD_BYTES];
    char reason[INSPECT_WORD_BYTES];
    int64_t since_ms;
    uint32_t weight, tier;
    uint32_t percent;                       /* of its weight that it has now */
    bool flapping;
    char detail[DETAIL_BYTES];              /* what took it out beside its probes; "": nothing */
    struct inspect_probe probe;
    /* From a board only; zeroes else. */
    uint32_t successes, failures;           /* of probes, in a row */
    uint32_t down_interval_ms;              /* how it is probed while it is down; 0: as always */
    int64_t next_ms;                        /* when the next probe, or lookup, is due */
    uint32_t lag_ms;                        /* how late the last probe began */
    uint32_t ejections;                     /* in a row: eject.h */
    enum inspect_handed handed;
    int64_t changed_ms;                     /* when inspect_changes() saw it change; 0: never */
};

struct inspect_app {
    char name[APP_NAME_BYTES];
    bool ready, panic;
    uint32_t rung;                          /* enum ladder_rung (ladder.h) */
    uint32_t panics;                        /* how often nothing was eligible and all was tried */
    uint32_t generation;
    uint32_t slots_used, handed_out;        /* endpoints in all, and given to connections; from a
                                             * board, also when fewer are kept here */
    size_t not_known;                       /* endpoints of which at_read() knows nothing */
    struct inspect_endpoint *endpoints;     /* owned */
    size_t count, room;
};

struct inspect_view {
    struct inspect_app *apps;               /* owned; sorted by name when read */
    size_t count, room;
    struct board_lag lag;                   /* of the prober that lives; probes 0: not known */
};

/* Reads the boards in the open directory: of each app the one with the highest number among
 * those whose prober gave a sign of life within INSPECT_FRESH_MS. With `stale`, freshness does
 * not count. What is no board is passed over. `now_ms` is CLOCK_MONOTONIC. 0 or -errno. */
int inspect_read_boards(int dir_fd, bool stale, uint64_t now_ms, struct inspect_view *view);

/* Is there a supervisor that holds the open directory? Looks without locking it. */
bool inspect_is_held(int dir_fd);

/* Reads what the database `path` last knew, without writing. 0; -ENOENT: there is none;
 * -EIO: it cannot be read, `why` (DETAIL_BYTES) says why. */
int inspect_read_database(const char *path, struct inspect_view *view, char *why);

void inspect_view_free(struct inspect_view *view);

/* Makes room for one more of `bytes` in an array on the heap, zeroed; NULL without memory. */
void *inspect_add(void **elements, size_t *count, size_t *room, size_t bytes);

/* Building: NULL without memory. The pointer is valid until the next one is added. */
struct inspect_app *inspect_add_app(struct inspect_view *view, const char *name);
struct inspect_endpoint *inspect_add_endpoint(struct inspect_app *app);
void inspect_sort(struct inspect_view *view);

/* Leaves only that app; or only those of its endpoints whose target or address is `target`.
 * -ENOENT when there is none; the view is then unchanged and `nearest` points to the most
 * similar name in it, NULL when none is near. */
int inspect_keep_app(struct inspect_view *view, const char *name, const char **nearest);
int inspect_keep_target(struct inspect_app *app, const char *target, const char **nearest);

/* May any of the app's endpoints get new connections? */
bool inspect_any_eligible(const struct inspect_app *app);

#endif
