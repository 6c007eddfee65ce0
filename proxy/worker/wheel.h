/*
 * wheel - the timers of one data thread: a hierarchical timing wheel of 1 ms ticks.
 *
 * Arming and cancelling are O(1) and touch no other timer's cache line but the list
 * neighbours, for every connection does both and hardly any timer ever fires. Four levels
 * of 64 slots reach 4.6 hours; what is further away is put back when it comes round.
 * (G. Varghese and T. Lauck, "Hashed and Hierarchical Timing Wheels", 1987.)
 *
 * One thread. Timers live inside the objects they belong to.
 */
#ifndef FPROXY_WORKER_WHEEL_H
#define FPROXY_WORKER_WHEEL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

enum { WHEEL_LEVELS = 4, WHEEL_SLOTS = 64, WHEEL_BITS = 6 };

struct wheel_timer;

/* The timer is no longer armed when this is called; it may arm and cancel any timer. */
typedef void wheel_fire_fn(struct wheel_timer *timer);

struct wheel_timer {
    LIST_ENTRY(wheel_timer) link;
    wheel_fire_fn *fire;
    uint64_t expires_ms;        /* 0: not armed */
};
LIST_HEAD(wheel_slot, wheel_timer);

struct wheel {
    uint64_t now_ms;                            /* everything up to here has fired */
    uint64_t occupied[WHEEL_LEVELS];            /* a bit a slot */
    struct wheel_slot slots[WHEEL_LEVELS][WHEEL_SLOTS];
};

void wheel_init(struct wheel *wheel, uint64_t now_ms);

/* Arms or re-arms; an instant that is past fires at the next wheel_advance(). */
void wheel_arm(struct wheel *wheel, struct wheel_timer *timer, uint64_t expires_ms);
void wheel_cancel(struct wheel *wheel, struct wheel_timer *timer);

static inline bool
wheel_armed(const struct wheel_timer *timer)
{
    return timer->expires_ms != 0;
}

/* Fires what is due at `now_ms`. */
void wheel_advance(struct wheel *wheel, uint64_t now_ms);

/* Milliseconds until there is something to do; -1: nothing is armed. Never later than the
 * first timer; it may be earlier, when a timer has to move down a level. */
int wheel_timeout_ms(const struct wheel *wheel);

#endif
