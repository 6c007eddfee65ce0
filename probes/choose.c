/* The order of preference is drawn in choose.h. */
#include "probes/choose.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

enum { SCALE = 10 };            /* a tenth of the smallest weight is still a whole number */

static bool
is_eligible(const struct candidate *candidate)
{
    return candidate->has_address && endpoint_state_eligible(candidate->state);
}

static bool
is_warming(const struct candidate *candidate)
{
    return (candidate->state == ENDPOINT_WARMING || candidate->state == ENDPOINT_FAILING) &&
           candidate->percent < CHOOSE_PERCENT_FULL;
}

static bool
is_chosen(const struct choice *choice, const struct candidate *candidate)
{
    if (choice->panic)
        return candidate->has_address && candidate->state != ENDPOINT_DRAINING &&
               candidate->state != ENDPOINT_MAINTENANCE;
    return candidate->tier == choice->tier && is_eligible(candidate) &&
           endpoint_state_second_choice(candidate->state) == choice->second_choice;
}

/* Better than all that were chosen so far? */
static bool
is_better(const struct choice *choice, const struct candidate *candidate)
{
    if (candidate->tier != choice->tier)
        return candidate->tier < choice->tier;
    return choice->second_choice && !endpoint_state_second_choice(candidate->state);
}

void
choose_add(struct choice *choice, const struct candidate *candidate)
{
    assert(candidate->tier < CHOOSE_TIER_NONE);
    if (!is_eligible(candidate))
        return;
    if (is_better(choice, candidate))
        *choice = (struct choice){
            .tier = candidate->tier,
            .second_choice = endpoint_state_second_choice(candidate->state),
        };
    if (!is_chosen(choice, candidate))
        return;
    choice->chosen++;
    choice->warming += is_warming(candidate);
}

void
choose_end(struct choice *choice, bool panic_all)
{
    choice->panic = choice->chosen == 0 && panic_all;
}

uint16_t
choose_weight(const struct choice *choice, const struct candidate *candidate)
{
    uint32_t weight = MAX(candidate->weight, 1);
    uint32_t percent = is_warming(candidate) ? candidate->percent : CHOOSE_PERCENT_FULL;

    if (!is_chosen(choice, candidate))
        return 0;
    if (choice->warming == 0 || choice->warming == choice->chosen)
        return (uint16_t)weight;
    weight = weight * SCALE * percent / CHOOSE_PERCENT_FULL;
    assert(weight <= UINT16_MAX);
    return (uint16_t)MAX(weight, 1);
}

bool
choose_reserve(const struct choice *choice, const struct candidate *candidate)
{
    return !choice->panic && is_eligible(candidate) && !is_chosen(choice, candidate);
}

/* qsort() need not be stable, so the order of the configuration is told: by target, and within one
 * by address. */
static int
as_configured(const struct available_endpoint *a, const struct available_endpoint *b)
{
    if (a->target != b->target)
        return a->target < b->target ? -1 : 1;
    if (a->address.family != b->address.family)
        return a->address.family < b->address.family ? -1 : 1;
    return memcmp(&a->address, &b->address, sizeof a->address);
}

static int
by_weight(const void *left, const void *right)
{
    const struct available_endpoint *a = left, *b = right;

    if (a->weight != b->weight)
        return a->weight > b->weight ? -1 : 1;
    return as_configured(a, b);
}

static int
by_tier(const void *left, const void *right)
{
    const struct available_endpoint *a = left, *b = right;

    if (a->tier != b->tier)
        return a->tier < b->tier ? -1 : 1;
    return as_configured(a, b);
}

void
choose_sort(struct available_endpoint *list, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        if (list[i - 1].weight == list[i].weight)
            continue;
        qsort(list, count, sizeof *list, by_weight);
        return;
    }
}

void
choose_sort_reserve(struct available_endpoint *list, uint32_t count)
{
    if (count > 1)
        qsort(list, count, sizeof *list, by_tier);
}
