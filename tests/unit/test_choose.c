/*
 * choose: which tier gets the connections, and with which weights. The rules are compared with a
 * plain reading of them for every combination of states of three endpoints.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "probes/choose.h"

enum { MANY = 3 };

/* A letter a state, for short stories. */
static enum endpoint_state
state_of(char letter)
{
    switch (letter) {
    case 'a':
        return ENDPOINT_AVAILABLE;
    case 'f':
    case 'g':           /* while it was warming */
        return ENDPOINT_FAILING;
    case 'k':
        return ENDPOINT_UNKNOWN;
    case 'd':
        return ENDPOINT_DEGRADED;
    case 'w':
        return ENDPOINT_WARMING;
    case 'm':
        return ENDPOINT_MAINTENANCE;
    case 'l':
        return ENDPOINT_DRAINING;
    default:
        return ENDPOINT_UNAVAILABLE;
    }
}

/* "a0 u1": a letter for the state and the tier of each; the answer has their weights. */
static void
assert_choice(const char *name, const char *text, bool panic_all, const char *expected)
{
    struct candidate candidates[8];     /* their weights: 1, 1, 2, 3, 4, ... */
    struct choice choice = CHOICE_NONE;
    char found[64] = "";
    uint32_t count = 0;

    for (const char *at = text; *at != '\0'; at += at[2] == ' ' ? 3 : 2, count++)
        candidates[count] = (struct candidate){
            .state = state_of(at[0]),
            .tier = (uint16_t)(at[1] - '0'),
            .weight = (uint16_t)MAX(count, 1),
            .percent = at[0] == 'w' || at[0] == 'g' ? 30 : 100,
            .has_address = true,
        };
    for (uint32_t i = 0; i < count; i++)
        choose_add(&choice, &candidates[i]);
    choose_end(&choice, panic_all);
    for (uint32_t i = 0; i < count; i++)
        snprintf(found + strlen(found), sizeof found - strlen(found), "%s%u", i > 0 ? " " : "",
                 choose_weight(&choice, &candidates[i]));
    if (strcmp(found, expected) != 0)
        fail_msg("%s: %s gives %s, not %s", name, text, found, expected);
}

static void
the_smallest_tier_that_works_gets_everything(void **state)
{
    static const struct {
        const char *name, *text, *expected;
    } cases[] = {
        { "one tier", "a0 f0 k0 u0", "1 1 2 0" },
        { "the second waits", "a0 u0 a1", "1 0 0" },
        { "the second takes over", "u0 u0 a1 a1 a2", "0 0 2 3 0" },
        { "the order of the file does not matter", "a2 a1 u0 a1", "0 1 0 3" },
        { "degraded are spared", "d0 a0 d0", "0 1 0" },
        { "degraded of this tier come before the next tier", "u0 d0 a1", "0 1 0" },
        { "a degraded one of a later tier", "u0 d1 a2", "0 1 0" },
        { "better than degraded, met later", "d0 d0 f0", "0 0 2" },
        { "taken out by hand", "m0 l0 a1", "0 0 2" },
        { "one warming beside others", "a0 a0 w0", "10 10 6" },
        { "one that fails while it warms", "a0 a0 g0", "10 10 6" },
        { "one warming in a tier that waits", "a0 a0 w1", "1 1 0" },
        { "all warming have nobody who spares them", "w0 w0 u0", "1 1 0" },
        { "a degraded one spares nobody", "w0 d0", "1 0" },
        { "nothing works: all tiers at once", "u0 u0 u1", "1 1 2" },
        { "but what was taken out", "u0 m0 l1 u1", "1 0 0 3" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_choice(cases[i].name, cases[i].text, true, cases[i].expected);
    assert_choice("panic = fail", "u0 u1", false, "0 0");
}

static void
without_an_address_nothing_is_chosen(void **state)
{
    struct candidate candidate = { .state = ENDPOINT_UNRESOLVED, .weight = 1 };
    struct choice choice = CHOICE_NONE;

    choose_add(&choice, &candidate);
    choose_end(&choice, true);
    assert_true(choice.panic);
    assert_int_equal(choose_weight(&choice, &candidate), 0);
    candidate.state = ENDPOINT_AVAILABLE;       /* it has no slot */
    choice = CHOICE_NONE;
    choose_add(&choice, &candidate);
    choose_end(&choice, true);
    assert_int_equal(choose_weight(&choice, &candidate), 0);
}

/* As the header puts it, without cleverness. */
static bool
is_expected(const struct candidate *all, const struct candidate *one)
{
    for (uint16_t tier = 0; tier < 3; tier++) {
        for (int second = 0; second <= 1; second++) {
            bool any = false;

            for (int i = 0; i < MANY; i++)
                any = any || (all[i].tier == tier && endpoint_state_eligible(all[i].state) &&
                              (all[i].state == ENDPOINT_DEGRADED) == second);
            if (any)
                return one->tier == tier && endpoint_state_eligible(one->state) &&
                       (one->state == ENDPOINT_DEGRADED) == second;
        }
    }
    return one->state != ENDPOINT_DRAINING && one->state != ENDPOINT_MAINTENANCE;
}

static void
every_combination_is_as_the_rules_say(void **state)
{
    uint32_t per_endpoint = ENDPOINT_STATES * 3, count = 0;

    for (uint32_t n = 0; n < per_endpoint * per_endpoint * per_endpoint; n++) {
        struct candidate all[MANY];
        struct choice choice = CHOICE_NONE;
        uint32_t rest = n;

        for (int i = 0; i < MANY; i++, rest /= per_endpoint)
            all[i] = (struct candidate){
                .state = (enum endpoint_state)(rest % ENDPOINT_STATES),
                .tier = (uint16_t)(rest % per_endpoint / ENDPOINT_STATES),
                .weight = 256,
                .percent = 10,
                .has_address = true,
            };
        for (int i = 0; i < MANY; i++)
            choose_add(&choice, &all[i]);
        choose_end(&choice, true);
        for (int i = 0; i < MANY; i++, count++) {
            bool chosen = choose_weight(&choice, &all[i]) > 0;

            assert_int_equal(chosen, is_expected(all, &all[i]));
            assert_int_equal(choose_reserve(&choice, &all[i]),
                             !chosen && endpoint_state_eligible(all[i].state));
        }
    }
    assert_int_equal(count, 36 * 36 * 36 * MANY);
}

static void
the_list_is_sorted_by_weight_and_else_stays(void **state)
{
    struct available_endpoint list[200];

    memset(list, 0, sizeof list);
    for (uint32_t i = 0; i < ARRAY_SIZE(list); i++) {
        list[i].weight = (uint16_t)(i % 3 + 1);
        list[i].target = i / 2;
        list[i].address.family = i % 2 == 0 ? 4 : 6;
        list[i].id = i;
    }
    choose_sort(list, ARRAY_SIZE(list));
    for (uint32_t i = 1; i < ARRAY_SIZE(list); i++) {
        assert_true(list[i - 1].weight >= list[i].weight);
        if (list[i - 1].weight == list[i].weight)
            assert_true(list[i - 1].id < list[i].id);
    }
    for (uint32_t i = 0; i < ARRAY_SIZE(list); i++) {
        list[i].weight = 7;
        list[i].id = i;
        list[i].target = 0;
    }
    choose_sort(list, ARRAY_SIZE(list));
    for (uint32_t i = 0; i < ARRAY_SIZE(list); i++)
        assert_int_equal(list[i].id, i);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_smallest_tier_that_works_gets_everything),
        cmocka_unit_test(without_an_address_nothing_is_chosen),
        cmocka_unit_test(every_combination_is_as_the_rules_say),
        cmocka_unit_test(the_list_is_sorted_by_weight_and_else_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
