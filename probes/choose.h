/*
 * choose - which endpoints of an app are published, and with which weights.
 *
 *   for each tier, the smallest first:
 *     some are eligible and no second choice       those, and no others
 *     else some are a second choice (degraded)     those
 *     else                                         the next tier
 *   nothing in any tier                            panic: all, or none
 *
 * A tier that has one eligible endpoint gets everything: what lies behind it is there for the
 * time when the tier is gone, not for when it is weak. What is eligible and not chosen is the
 * reserve: a client that tried all of the tier in vain, for the tier has just died, is served
 * there, before any probe has noticed. A pure function of states: it knows no
 * endpoints, boards or clocks. The prober's thread only; nothing is allocated.
 */
#ifndef FPROXY_PROBES_CHOOSE_H
#define FPROXY_PROBES_CHOOSE_H

#include <stdbool.h>
#include <stdint.h>

#include "strategy/available_set.h"
#include "strategy/endpoint_state.h"

enum {
    CHOOSE_PERCENT_FULL = 100,
    CHOOSE_TIER_NONE = UINT16_MAX,
};

/* What an endpoint brings along. */
struct candidate {
    enum endpoint_state state;
    uint16_t weight;            /* as configured: 1 to APP_WEIGHT_MAX */
    uint16_t tier;
    uint8_t percent;            /* of its weight while it is warming: 10, 20, ... */
    bool has_address;
};

/* Begins as CHOICE_NONE; choose_add() sees every endpoint, then choose_end() decides. */
struct choice {
    uint16_t tier;              /* that gets the connections; CHOOSE_TIER_NONE: none does */
    bool second_choice;         /* nothing but those that are a second choice */
    bool panic;                 /* nothing is eligible, so everything is offered */
    uint32_t chosen, warming;   /* so many are chosen, and of those so many are warming */
};

#define CHOICE_NONE ((struct choice){ .tier = CHOOSE_TIER_NONE })

void choose_add(struct choice *choice, const struct candidate *candidate);

/* In panic everything with an address is offered but what was taken out on purpose (draining,
 * maintenance), in all tiers. */
void choose_end(struct choice *choice, bool panic_all);

/* After choose_end(): the weight that a candidate is published with; 0: not at all. While some
 * of those chosen are warming, all weights are ten times as large, and theirs the tenths that
 * they have; when all are, nobody is there to spare them and they get their whole weight. */
uint16_t choose_weight(const struct choice *choice, const struct candidate *candidate);

/* Not chosen, but good enough for who has tried all that are. */
bool choose_reserve(const struct choice *choice, const struct candidate *candidate);

/* The reserve: by tier, else as in the configuration. */
void choose_sort_reserve(struct available_endpoint *list, uint32_t count);

/* What is published in the order that weights.h asks for: heavy before light, else as in the
 * configuration. */
void choose_sort(struct available_endpoint *list, uint32_t count);

#endif
