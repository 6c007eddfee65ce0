/* wheel - see wheel.h. */
#include "proxy/worker/wheel.h"

#include <assert.h>
#include <limits.h>
#include <string.h>

#include "base/util.h"

#define SLOT_MASK ((uint64_t)WHEEL_SLOTS - 1)
#define REACH_MS ((uint64_t)1 << (WHEEL_BITS * WHEEL_LEVELS))

void
wheel_init(struct wheel *wheel, uint64_t now_ms)
{
    memset(wheel, 0, sizeof *wheel);
    wheel->now_ms = now_ms;
}

/* The level whose slots are fine enough for something `delta` ms ahead. */
static unsigned
level_of(uint64_t delta)
{
    unsigned highest_bit = 63 - (unsigned)__builtin_clzll(delta | 1);

    return MIN(highest_bit / WHEEL_BITS, (unsigned)WHEEL_LEVELS - 1);
}

static void
place(struct wheel *wheel, struct wheel_timer *timer)
{
    uint64_t due = MAX(timer->expires_ms, wheel->now_ms + 1);
    uint64_t slot;
    unsigned level;

    due = MIN(due, wheel->now_ms + REACH_MS - 1);
    level = level_of(due - wheel->now_ms);
    slot = (due >> (WHEEL_BITS * level)) & SLOT_MASK;
    LIST_INSERT_HEAD(&wheel->slots[level][slot], timer, link);
    wheel->occupied[level] |= (uint64_t)1 << slot;
}

void
wheel_arm(struct wheel *wheel, struct wheel_timer *timer, uint64_t expires_ms)
{
    assert(timer->fire != NULL);
    if (wheel_armed(timer))
        LIST_REMOVE(timer, link);
    timer->expires_ms = MAX(expires_ms, 1);
    place(wheel, timer);
}

/* The slot's bit stays set: an empty slot costs one look when its time comes. */
void
wheel_cancel(struct wheel *wheel, struct wheel_timer *timer)
{
    (void)wheel;
    if (!wheel_armed(timer))
        return;
    LIST_REMOVE(timer, link);
    timer->expires_ms = 0;
}

/* Empties a slot into `list`, which takes the timers over. */
static void
take_slot(struct wheel *wheel, unsigned level, uint64_t slot, struct wheel_slot *list)
{
    struct wheel_slot *from = &wheel->slots[level][slot];

    wheel->occupied[level] &= ~((uint64_t)1 << slot);
    list->lh_first = from->lh_first;        /* glibc has no LIST_SWAP */
    if (list->lh_first != NULL)
        list->lh_first->link.le_prev = &list->lh_first;
    LIST_INIT(from);
}

/* Moves the timers of the slots that begin now down to where they belong. */
static void
cascade(struct wheel *wheel)
{
    struct wheel_slot list;
    struct wheel_timer *timer;

    for (unsigned level = 1; level < WHEEL_LEVELS; level++) {
        uint64_t index = wheel->now_ms >> (WHEEL_BITS * level);

        if (wheel->now_ms & (((uint64_t)1 << (WHEEL_BITS * level)) - 1))
            return;
        take_slot(wheel, level, index & SLOT_MASK, &list);
        while ((timer = LIST_FIRST(&list)) != NULL) {
            LIST_REMOVE(timer, link);
            /* One that is due this very tick has to fire in it: place() knows only later
             * ticks, so it goes straight to the slot that fire_tick() takes next. */
            if (timer->expires_ms <= wheel->now_ms) {
                uint64_t slot = wheel->now_ms & SLOT_MASK;
                LIST_INSERT_HEAD(&wheel->slots[0][slot], timer, link);
                wheel->occupied[0] |= (uint64_t)1 << slot;
            } else {
                place(wheel, timer);
            }
        }
    }
}

static void
fire_tick(struct wheel *wheel)
{
    struct wheel_slot list;
    struct wheel_timer *timer;

    take_slot(wheel, 0, wheel->now_ms & SLOT_MASK, &list);
    while ((timer = LIST_FIRST(&list)) != NULL) {
        LIST_REMOVE(timer, link);
        if (timer->expires_ms > wheel->now_ms) {    /* was beyond the wheel's reach */
            place(wheel, timer);
            continue;
        }
        timer->expires_ms = 0;
        timer->fire(timer);
    }
}

/* The next tick worth looking at: whole rounds of empty levels are skipped. */
static uint64_t
next_tick(const struct wheel *wheel)
{
    uint64_t tick = wheel->now_ms + 1;

    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        uint64_t span = (uint64_t)1 << (WHEEL_BITS * (level + 1));

        if (wheel->occupied[level] != 0)
            return tick;
        tick = (wheel->now_ms | (span - 1)) + 1;
    }
    return tick;
}

void
wheel_advance(struct wheel *wheel, uint64_t now_ms)
{
    while (wheel->now_ms < now_ms) {
        uint64_t tick = next_tick(wheel);

        if (tick > now_ms) {
            wheel->now_ms = now_ms;
            return;
        }
        wheel->now_ms = tick;
        cascade(wheel);
        if (wheel->occupied[0] & ((uint64_t)1 << (tick & SLOT_MASK)))
            fire_tick(wheel);
    }
}

int
wheel_timeout_ms(const struct wheel *wheel)
{
    uint64_t earliest = UINT64_MAX;

    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        unsigned shift = WHEEL_BITS * level;
        uint64_t index = wheel->now_ms >> shift;
        uint64_t bits = wheel->occupied[level];
        unsigned start = (unsigned)((index + 1) & SLOT_MASK);
        uint64_t turned;

        if (bits == 0)
            continue;
        turned = start == 0 ? bits : bits >> start | bits << (WHEEL_SLOTS - start);
        earliest = MIN(earliest, (index + 1 + (unsigned)__builtin_ctzll(turned)) << shift);
    }
    if (earliest == UINT64_MAX)
        return -1;
    return (int)MIN(earliest - wheel->now_ms, (uint64_t)INT_MAX);
}
