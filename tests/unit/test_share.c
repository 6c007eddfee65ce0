/* Which probes are equal, and who gets whose result. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/util.h"
#include "config/app_probe.h"
#include "probes/share.h"

struct taker {
    struct share_member member;
    int taken, woken;
};

static const struct app_probe plain = {
    .kind = "tcp", .interval_ms = 5000, .timeout_ms = 2000, .rise = 2, .fall = 3,
};

static void
take(struct share_member *member, const struct probe_result *result, uint64_t started_ms)
{
    struct taker *taker = CONTAINER_OF(member, struct taker, member);

    assert_int_equal(started_ms, 77);
    assert_string_equal(result->detail, "connected");
    taker->taken++;
}

static void
wake(struct share_member *member)
{
    CONTAINER_OF(member, struct taker, member)->woken++;
}

static struct address one, two;

static int
setup(void **state)
{
    return address_parse_ip("10.0.0.1", 80, &one) + address_parse_ip("10.0.0.2", 80, &two);
}

static void
the_others_of_the_group_take_it(void **state)
{
    static const struct probe_result result = { .outcome = REASON_OK, .detail = "connected" };
    struct shares *shares = shares_create();
    uint64_t digest = share_digest(&plain);
    struct taker takers[4] = { 0 };

    share_join(shares, &takers[0].member, digest, &one);
    share_join(shares, &takers[1].member, digest, &one);
    share_join(shares, &takers[2].member, digest, &two);
    share_join(shares, &takers[3].member, digest + 1, &one);
    share_give(&takers[1].member, &result, 77, false, take);
    assert_int_equal(takers[0].taken, 1);
    assert_int_equal(takers[1].taken + takers[2].taken + takers[3].taken, 0);

    share_leave(shares, &takers[0].member);
    share_give(&takers[1].member, &result, 77, false, take);
    assert_int_equal(takers[0].taken, 1);
    for (int i = 0; i < 4; i++)
        share_leave(shares, &takers[i].member);     /* twice is fine */
    share_give(&takers[1].member, &result, 77, false, take);
    shares_destroy(shares);
}

/* What is made of a result is each one's own; what is asked, and how often, is not. */
static void
what_makes_probes_equal(void **state)
{
    struct app_step step = { .kind = STEP_EXPECT, .length = 2, .bytes = (char[]){ "hi" } };
    struct app_probe probe = plain;
    uint64_t digest = share_digest(&plain);

    probe.rise = 9;
    probe.fall = 9;
    probe.window = 5;
    probe.jitter_percent = 50;
    strcpy(probe.name, "live");
    assert_int_equal(share_digest(&probe), digest);

    probe = plain;
    probe.interval_ms++;
    assert_int_not_equal(share_digest(&probe), digest);
    probe = plain;
    probe.timeout_ms++;
    assert_int_not_equal(share_digest(&probe), digest);
    probe = plain;
    strcpy(probe.kind, "exchange");
    assert_int_not_equal(share_digest(&probe), digest);
    probe = plain;
    probe.steps = (struct app_steps){ &step, 1 };
    assert_int_not_equal(share_digest(&probe), digest);
    assert_int_not_equal(share_digest_named(digest, "a:80"), digest);
    assert_int_not_equal(share_digest_named(digest, "a:80"), share_digest_named(digest, "b:80"));
    assert_int_equal(share_digest_named(0, "a:80"), 0);
}

static void
one_at_a_time(void **state)
{
    struct shares *shares = shares_create();
    struct taker takers[3] = { 0 };

    for (int i = 0; i < 2; i++)
        share_join(shares, &takers[i].member, 5, &one);
    share_join(shares, &takers[2].member, 5, &two);
    assert_true(share_begin(&takers[0].member));
    assert_false(share_begin(&takers[1].member));
    assert_true(share_begin(&takers[2].member));
    share_end(&takers[1].member);                   /* it was not the one */
    assert_false(share_begin(&takers[1].member));
    share_end(&takers[0].member);
    assert_true(share_begin(&takers[1].member));
    share_leave(shares, &takers[1].member);         /* cut short */
    assert_true(share_begin(&takers[0].member));
    for (int i = 0; i < 3; i++)
        share_leave(shares, &takers[i].member);
    shares_destroy(shares);
}

static void
who_waits_is_woken_when_the_one_that_runs_is_cut(void **state)
{
    struct shares *shares = shares_create();
    struct taker takers[4] = { 0 };

    for (int i = 0; i < 3; i++)
        share_join(shares, &takers[i].member, 5, &one);
    share_join(shares, &takers[3].member, 5, &two);
    assert_true(share_begin(&takers[0].member));
    assert_false(share_begin(&takers[1].member));
    share_cut(&takers[1].member, wake);             /* it was not the one */
    assert_int_equal(takers[0].woken + takers[2].woken, 0);
    share_cut(&takers[0].member, wake);
    assert_int_equal(takers[0].woken, 0);
    assert_int_equal(takers[1].woken, 1);
    assert_int_equal(takers[2].woken, 0);           /* it did not wait */
    assert_int_equal(takers[3].woken, 0);
    assert_true(share_begin(&takers[2].member));
    share_cut(&takers[2].member, wake);
    assert_int_equal(takers[1].woken, 1);           /* nor does this one any more */
    for (int i = 0; i < 4; i++)
        share_leave(shares, &takers[i].member);
    shares_destroy(shares);
}

static void
give(struct taker *taker, enum reason outcome, bool degraded, bool first)
{
    struct probe_result result = { .outcome = outcome, .degraded = degraded,
                                   .detail = "connected" };

    share_give(&taker->member, &result, 77, first, take);
}

static void
what_all_know_of_a_target_is_told_by_a_newcomer_to_who_waits_only(void **state)
{
    struct shares *shares = shares_create();
    struct taker takers[3] = { 0 };

    for (int i = 0; i < 3; i++)
        share_join(shares, &takers[i].member, 5, &one);
    give(&takers[2], REASON_OK, false, true);       /* nobody knew */
    assert_int_equal(takers[0].taken, 1);
    give(&takers[2], REASON_OK, false, true);
    assert_int_equal(takers[0].taken, 1);

    assert_true(share_begin(&takers[2].member));
    assert_false(share_begin(&takers[1].member));
    share_end(&takers[2].member);
    give(&takers[2], REASON_OK, false, true);
    assert_int_equal(takers[0].taken, 1);
    assert_int_equal(takers[1].taken, 2);
    share_stop_waiting(&takers[1].member);
    give(&takers[2], REASON_OK, false, true);
    assert_int_equal(takers[1].taken, 2);

    give(&takers[2], REASON_OK, true, true);        /* news */
    give(&takers[2], REASON_OK, false, true);
    give(&takers[2], REASON_CONNECT_REFUSED, false, true);
    give(&takers[2], REASON_CONNECT_REFUSED, false, true);
    give(&takers[2], REASON_OK, false, true);
    assert_int_equal(takers[0].taken, 6);
    give(&takers[0], REASON_OK, false, false);      /* not a newcomer */
    assert_int_equal(takers[2].taken, 1);
    for (int i = 0; i < 3; i++)
        share_leave(shares, &takers[i].member);
    shares_destroy(shares);
}

static void
who_leaves_waits_for_nothing(void **state)
{
    struct shares *shares = shares_create();
    struct taker takers[2] = { 0 };

    for (int i = 0; i < 2; i++)
        share_join(shares, &takers[i].member, 5, &one);
    assert_true(share_begin(&takers[0].member));
    assert_false(share_begin(&takers[1].member));
    share_leave(shares, &takers[1].member);
    assert_false(takers[1].member.waits);
    share_cut(&takers[0].member, wake);
    assert_int_equal(takers[1].woken, 0);
    share_leave(shares, &takers[0].member);
    shares_destroy(shares);
}

static void
who_has_no_digest_stays_alone(void **state)
{
    struct shares *shares = shares_create();
    struct taker taker = { 0 };

    share_join(shares, &taker.member, 0, &one);
    assert_null(taker.member.group);
    assert_true(share_begin(&taker.member));
    share_end(&taker.member);
    share_leave(shares, &taker.member);
    shares_destroy(shares);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_others_of_the_group_take_it),
        cmocka_unit_test(what_makes_probes_equal),
        cmocka_unit_test(one_at_a_time),
        cmocka_unit_test(who_waits_is_woken_when_the_one_that_runs_is_cut),
        cmocka_unit_test(what_all_know_of_a_target_is_told_by_a_newcomer_to_who_waits_only),
        cmocka_unit_test(who_leaves_waits_for_nothing),
        cmocka_unit_test(who_has_no_digest_stays_alone),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
