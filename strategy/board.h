/*
 * board - everything known about the endpoints of one app, in one shared file.
 *
 *   board-<app>.<number>:  [ head | available set | pulses | details ]
 *
 * Created and sized by the supervisor, written by the prober alone, mapped read-only by
 * workers (available set and pulses: all they ever touch), by the supervisor and by
 * `fproxy-probe inspect` (details). When an app has more endpoints than slots, a board with
 * a higher number is made, filled and handed out, and the old one unlinked.
 *
 * An endpoint has a slot while it lives; its id is never given to another one. A target
 * without any address has a slot too, so that it can be shown, but is never published. A
 * prober that ends leaves the board as it is: the next one goes on from there.
 */
#ifndef FPROXY_STRATEGY_BOARD_H
#define FPROXY_STRATEGY_BOARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "base/names.h"
#include "strategy/available_set.h"
#include "strategy/endpoint_state.h"

enum { BOARD_NAME_BYTES = 96 };     /* "board-<app>.<number>" */

/* What workers may know of an endpoint without a publication. Atomics, relaxed. */
struct board_pulse {
    _Atomic uint64_t passed_start_ms;   /* when the last probe that passed had started */
    _Atomic uint64_t failed_start_ms;   /* ... that failed; both CLOCK_MONOTONIC, 0: none */
    _Atomic uint32_t connect_us;        /* its usual connect time as probed; 0: unknown */
    _Atomic uint32_t id;                /* of the endpoint in this slot; 0: none */
};

/* One endpoint as people see it. Copied whole, through a sequence lock. */
struct board_detail {
    uint32_t id;                        /* 0: the slot is free */
    uint8_t state;                      /* enum endpoint_state */
    uint8_t reason;                     /* enum reason: why it is in this state */
    uint8_t probe_outcome;              /* enum reason of the last probe; 0: none yet */
    uint8_t first_done;                 /* its first probe ended, or it needs none */
    uint16_t weight, tier;              /* as configured */
    uint32_t probe_duration_us;
    uint32_t successes, failures;       /* in a row, by probe */
    int64_t since_ms;                   /* wall: when it entered this state */
    int64_t probe_at_ms;                /* wall: when the last probe ended */
    int64_t probe_next_ms;              /* wall: when the next is due */
    struct address address;             /* family 0: unresolved */
    char target[TARGET_NAME_BYTES];     /* as configured */
    char probe_kind[16];
    char probe_detail[DETAIL_BYTES];
    /* For the prober that replaces this one, CLOCK_MONOTONIC: */
    uint64_t due_ms;                    /* the next probe; 0: none */
    uint64_t down_since_ms;             /* no sign of life since */
    uint32_t down_interval_ms;          /* how it is probed while it is down */
    uint8_t result_count;               /* of `results` */
    uint8_t flags;                      /* enum board_flag */
    uint8_t percent;                    /* of its weight that it has: below 100 while it warms */
    uint8_t probed_state;               /* enum endpoint_state that its probes alone would give */
    uint64_t results;                   /* the last ones, the newest lowest; 1: it passed */
    int64_t warm_since_ms;              /* warming since; 0: it is not */
    int64_t penalty_at_ms;              /* when `penalty` held */
    uint32_t penalty;                   /* for changes of its state; probes/flap.h */
    uint16_t flap_changes;              /* that it is for */
    uint8_t probed_reason;              /* why its probes alone would give probed_state */
    uint8_t eject_flags;                /* see probes/eject.h */
    uint64_t eject_until_ms;            /* it is ejected until then; 0: it is not */
    uint64_t eject_changed_ms;          /* when it was ejected, or came back */
    uint64_t worked_ms;                 /* when it was last known to work; 0: never */
    uint32_t eject_count;               /* ejections in a row */
    uint16_t eject_failures;            /* that it was ejected for */
    uint16_t probe_lag_ms;              /* how late the last probe began, at most 65,535 */
    char state_detail[DETAIL_BYTES];    /* what took it out, in words; "": its probes tell */
};

enum board_flag {
    BOARD_FLAPPING = 1,                 /* its state changes too often */
    BOARD_RELEASED = 2,                 /* and yet it is used: too few others are there */
    BOARD_DEGRADED = 4,                 /* its last probe passed, but others are preferred */
    BOARD_LEAVING = 8,                  /* DNS no longer names it */
};

/* What holds for the whole app. Copied through a sequence lock as well. */
struct board_summary {
    uint32_t total, available, eligible;
    uint8_t ready, first_round_done;
    uint8_t panic;                      /* enum ladder_rung (probes/ladder.h); 0: no panic */
    uint8_t rung;                       /* enum ladder_rung */
    uint32_t panics, unused;            /* how often there was one */
};

/* How late probes begin, of all apps of the prober alike: in the last minute, at most 65,535 ms. */
struct board_lag {
    uint16_t p50_ms, p99_ms, max_ms;
    uint16_t overruns_lately;           /* later than their jitter, of `probes` */
    uint32_t probes;
    uint32_t overruns;                  /* since the prober began */
};

struct board;       /* a mapped board file */

/* "board-<app>.<number>" into BOARD_NAME_BYTES. */
void board_file_name(const char *app, uint32_t number, char *name);
/* The reverse; false when `name` is no board's. `app` has APP_NAME_BYTES. */
bool board_file_parse(const char *name, char *app, uint32_t *number);

/* Bytes of a board with `slots` slots (1 to 65,535). */
size_t board_bytes(uint32_t slots);

/* Supervisor: writes the head into a new zeroed file of board_bytes(). 0 or -errno. */
int board_format(int fd, const char *app, uint32_t number, uint32_t generation, uint32_t slots);

/* Maps a board and checks magic, layout version and sizes. 0 and `*board` (on the heap), or
 * -EPROTO when it is not one (of this version), or -errno. The descriptor stays the
 * caller's. */
int board_open(int fd, bool writable, struct board **board);
void board_close(struct board *board);

const char *board_app(const struct board *board);
uint32_t board_number(const struct board *board);
uint32_t board_generation(const struct board *board);
uint32_t board_slots(const struct board *board);
const struct available_set *board_available(const struct board *board);
const struct board_pulse *board_pulse(const struct board *board, uint32_t slot);

/* Any reader. Copies a slot's detail; false when the slot is free. Never blocks for long: after
 * a bounded number of tries against a busy writer it gives up with false. */
bool board_detail(const struct board *board, uint32_t slot, struct board_detail *detail);
bool board_summary(const struct board *board, struct board_summary *summary);
/* When the prober last said that it lives, CLOCK_MONOTONIC ms; 0: never. */
uint64_t board_beat_ms(const struct board *board);
/* As of that beat. */
void board_lag(const struct board *board, struct board_lag *lag);
/* No endpoint has had this id or a higher one; 0: none has any. */
uint32_t board_next_id(const struct board *board);

/* A prober that succeeds another, before it writes: the same, but also what the dead one left
 * half written, of which every word is either the older or the newer one. */
bool board_detail_left(const struct board *board, uint32_t slot, struct board_detail *detail);

/* Prober only. The generation changes when the same board serves a newer configuration. */
void board_set_generation(struct board *board, uint32_t generation);
struct available_set *board_available_writable(struct board *board);
struct board_pulse *board_pulse_writable(struct board *board, uint32_t slot);
void board_set_detail(struct board *board, uint32_t slot, const struct board_detail *detail);
void board_set_summary(struct board *board, const struct board_summary *summary);
void board_beat(struct board *board, uint64_t now_ms);
/* The memory that a beat writes is going to be needed: lets it come meanwhile. */
void board_fetch_beat(const struct board *board);
void board_set_lag(struct board *board, const struct board_lag *lag);
void board_set_next_id(struct board *board, uint32_t id);

#endif
