/* The sentences of inspect --why, and what became other between two views. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "probes/inspect_changes.h"
#include "probes/inspect_why.h"

static const int64_t now_ms = INT64_C(1764160000000);

static const struct inspect_app shop = { .name = "shop", .slots_used = 3, .handed_out = 2 };

static const struct why_facts known = {
    .policy = { .known = true, .rise = 2, .fall = 3, .interval_ms = 5000, .kind = "tcp" },
};

static struct inspect_endpoint
endpoint_of(const char *state, const char *reason, uint32_t successes, uint32_t failures)
{
    struct inspect_endpoint endpoint = {
        .target = "10.0.0.7:80",
        .address = "10.0.0.7:80",
        .since_ms = now_ms - 192000,
        .successes = successes,
        .failures = failures,
        .next_ms = now_ms + 3200,
        .handed = INSPECT_HELD_BACK,
        .probe = { .at_ms = now_ms - 1000, .duration_ms = 0.1, .kind = "tcp",
                   .outcome = "connect_refused", .detail = "connection refused" },
    };

    snprintf(endpoint.state, sizeof endpoint.state, "%s", state);
    snprintf(endpoint.reason, sizeof endpoint.reason, "%s", reason);
    return endpoint;
}

static void
says(const struct inspect_endpoint *endpoint, const struct why_facts *facts, enum why_step step,
     const char *expected)
{
    struct why why;

    why_tell(&shop, endpoint, facts, now_ms, &why);
    assert_string_equal(why.sentences[step], expected);
}

static void
what_is_down_says_what_brings_it_back(void **state)
{
    struct inspect_endpoint endpoint = endpoint_of("unavailable", "connect_refused", 0, 17);

    says(&endpoint, &known, WHY_DNS, "10.0.0.7 is an address: no DNS is asked.");
    says(&endpoint, &known, WHY_PROBE, "the last tcp probe, 1s ago, failed after 0.1 ms: "
         "connect_refused, connection refused; it started on time.");
    says(&endpoint, &known, WHY_RULE, "3 failures in a row take it down (fall), 2 successes "
         "bring it back (rise); 17 failures in a row so far.");
    says(&endpoint, &known, WHY_BOARD,
         "not handed to new connections; 2 of 3 endpoints of shop are.");
    says(&endpoint, &known, WHY_NEXT, "the next probe is in 3.2 s; 2 more successes make it "
         "available, in 4.2 s at the earliest.");
}

static void
a_probe_that_began_late_says_so(void **state)
{
    struct inspect_endpoint endpoint = endpoint_of("available", "ok", 4, 0);

    snprintf(endpoint.probe.outcome, sizeof endpoint.probe.outcome, "ok");
    snprintf(endpoint.probe.detail, sizeof endpoint.probe.detail, "connected in 0.1 ms");
    endpoint.lag_ms = 3;
    says(&endpoint, &known, WHY_PROBE, "the last tcp probe, 1s ago, passed after 0.1 ms (connected "
         "in 0.1 ms); it started 3 ms late.");
    endpoint.handed = INSPECT_HANDED_UNKNOWN;   /* the database does not know */
    says(&endpoint, &known, WHY_PROBE, "the last tcp probe, 1s ago, passed after 0.1 ms (connected "
         "in 0.1 ms).");
}

struct next {
    const char *state;
    uint32_t successes, failures;
    const char *sentence;
};

static const struct next nexts[] = {
    { "recovering", 1, 0, "the next probe is in 3.2 s; 1 more success makes it available." },
    { "failing", 0, 1, "the next probe is in 3.2 s; 2 more failures make it unavailable, in 4.2 s "
      "at the earliest, one success makes it available." },
    { "failing", 0, 2, "the next probe is in 3.2 s; 1 more failure makes it unavailable, one "
      "success makes it available." },
    { "available", 9, 0, "the next probe is in 3.2 s; 3 failures in a row would make it "
      "unavailable." },
    { "unknown", 0, 0, "the next probe is in 3.2 s; what it finds is believed at once." },
    /* From history: health.c believes the first success. */
    { "unavailable", 0, 0, "the next probe is in 3.2 s; 1 more success makes it available." },
    { "maintenance", 0, 5, "`fproxy ready' gives it connections again; until then it is not "
      "probed." },
    { "draining", 3, 0, "it goes when drain_timeout is over, and stays if DNS names it again; the "
      "next probe is in 3.2 s." },
    { "ejected", 3, 0, "it is back when its time is over, or when a probe of clients' own address "
      "and port passes, if those are believed; the next probe is in 3.2 s." },
    { "warming", 3, 0, "its share grows, now 0 % of its weight; the next probe is in 3.2 s." },
    { "degraded", 3, 0, "it is used when no other of its tier may be; the next probe is in "
      "3.2 s." },
};

static void
every_state_says_what_comes_next(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(nexts); i++) {
        struct inspect_endpoint endpoint =
            endpoint_of(nexts[i].state, "", nexts[i].successes, nexts[i].failures);

        says(&endpoint, &known, WHY_NEXT, nexts[i].sentence);
    }
}

static void
a_probe_that_is_late_says_so(void **state)
{
    struct inspect_endpoint endpoint = endpoint_of("starting", "", 0, 1);

    endpoint.next_ms = now_ms - 10;
    says(&endpoint, &known, WHY_NEXT, "the next probe is due now.");
    endpoint.next_ms = now_ms - 4000;
    says(&endpoint, &known, WHY_NEXT,
         "the next probe has been due for 4.0 s: it runs, or waits for its turn.");
    endpoint.next_ms = 0;
    says(&endpoint, &known, WHY_NEXT, "when the next probe comes is not known.");
}

static void
a_window_is_a_rule_of_its_own(void **state)
{
    struct why_facts windowed = known;
    struct inspect_endpoint endpoint = endpoint_of("failing", "connect_refused", 0, 1);

    windowed.policy.window = 8;
    windowed.policy.threshold = 3;
    says(&endpoint, &windowed, WHY_RULE, "it is up while 3 of its last 8 results passed (window); "
         "1 failure in a row so far.");
    says(&endpoint, &windowed, WHY_NEXT, "the next probe is in 3.2 s.");
}

static void
without_a_database_it_says_less(void **state)
{
    static const struct why_facts none;
    struct inspect_endpoint endpoint = endpoint_of("unavailable", "connect_refused", 0, 4);

    says(&endpoint, &none, WHY_RULE,
         "its thresholds are not known here (no database); 4 failures in a row so far.");
    says(&endpoint, &none, WHY_NEXT, "the next probe is in 3.2 s.");
}

static void
while_nothing_runs_nothing_comes(void **state)
{
    struct inspect_endpoint endpoint = endpoint_of("available", "ok", 0, 0);

    endpoint.handed = INSPECT_HANDED_UNKNOWN;
    endpoint.next_ms = 0;
    says(&endpoint, &known, WHY_BOARD,
         "there is none: nothing runs, so nothing is handed to connections.");
    says(&endpoint, &known, WHY_NEXT, "nothing, until fproxy is started.");
}

static void
names_tell_what_dns_said(void **state)
{
    struct inspect_endpoint endpoint = endpoint_of("available", "ok", 1, 0);
    struct why_facts facts = known;

    snprintf(endpoint.target, sizeof endpoint.target, "db.example:80");
    says(&endpoint, &facts, WHY_DNS, "no answer for db.example is known here: its address is of "
         "the hosts file, or only on the board.");
    facts.answer_count = 2;
    facts.answers[0] = (struct why_answer){ .type = "A", .status = "ok", .address = "10.0.0.7",
                                            .ttl_s = 30, .resolved_at_ms = now_ms - 12000,
                                            .expires_at_ms = now_ms + 18000 };
    facts.answers[1] = facts.answers[0];
    snprintf(facts.answers[1].address, ADDRESS_TEXT_BYTES, "10.0.0.8");
    says(&endpoint, &facts, WHY_DNS,
         "db.example resolves to 10.0.0.7, 10.0.0.8 (learnt 12s ago, TTL 30 s).");
    facts.answers[0].expires_at_ms = facts.answers[1].expires_at_ms = now_ms - 1;
    says(&endpoint, &facts, WHY_DNS, "db.example resolves to 10.0.0.7, 10.0.0.8 (learnt 12s ago, "
         "TTL 30 s, expired: used until DNS answers again).");
    facts.answer_count = 1;
    snprintf(facts.answers[0].status, sizeof facts.answers[0].status, "nxdomain");
    facts.answers[0].address[0] = endpoint.address[0] = '\0';
    says(&endpoint, &facts, WHY_DNS,
         "db.example: the last answer was that there is no such name (nxdomain), 12s ago.");
    says(&endpoint, &facts, WHY_ADDRESS,
         "there is none, so nothing can be probed or connected to.");
}

static void
a_target_gives_its_host(void **state)
{
    char host[HOST_NAME_BYTES];

    assert_false(why_host("db.example:80", host));
    assert_string_equal(host, "db.example");
    assert_true(why_host("[::1]:80", host));
    assert_string_equal(host, "::1");
    assert_true(why_host("10.0.0.7:80", host));
    assert_false(why_host("", host));
    assert_false(why_host("[", host));
}

static void
a_probe_elsewhere_and_an_operator_are_told(void **state)
{
    struct inspect_endpoint endpoint = endpoint_of("available", "ok", 1, 0);
    struct why_facts facts = known;

    snprintf(facts.policy.where, sizeof facts.policy.where, "port 8080");
    facts.override = (struct why_override){ .action = "drain", .note = "new disk",
                                            .since_ms = now_ms - 5000 };
    endpoint.since_ms = 0;
    says(&endpoint, &facts, WHY_ADDRESS,
         "clients are connected to 10.0.0.7:80; the probe asks port 8080 instead.");
    says(&endpoint, &facts, WHY_STATE,
         "available, reason ok. An operator said `drain' 5s ago: new disk.");
}

/* ---- changes ---- */

struct seen {
    int apps, endpoints, gone, fresh;
};

static void
see(const struct inspect_change *change, void *context)
{
    struct seen *seen = context;

    if (change->before == NULL && change->after == NULL)
        seen->apps++;
    else
        seen->endpoints++;
    seen->gone += change->before != NULL && change->after == NULL;
    seen->fresh += change->before == NULL && change->after != NULL;
}

static struct inspect_endpoint *
put(struct inspect_view *view, const char *app, const char *target, const char *state)
{
    struct inspect_app *last = view->count > 0 ? &view->apps[view->count - 1] : NULL;
    struct inspect_endpoint *endpoint;

    if (last == NULL || strcmp(last->name, app) != 0)
        last = inspect_add_app(view, app);
    endpoint = inspect_add_endpoint(last);
    snprintf(endpoint->target, sizeof endpoint->target, "%s", target);
    snprintf(endpoint->state, sizeof endpoint->state, "%s", state);
    return endpoint;
}

static void
changes_are_seen_and_marked(void **state)
{
    struct inspect_view before = { 0 }, after = { 0 };
    struct seen seen = { 0 };

    put(&before, "a", "1:1", "available")->changed_ms = 5;
    put(&before, "a", "2:1", "available");
    put(&before, "b", "1:1", "available");
    put(&after, "a", "2:1", "failing");
    put(&after, "a", "1:1", "available");       /* in another place */
    put(&after, "a", "3:1", "unknown");
    put(&after, "c", "1:1", "available");
    inspect_changes(&before, &after, 100, see, &seen);

    assert_int_equal(seen.apps, 2);             /* b is gone, c is new */
    assert_int_equal(seen.endpoints, 3);        /* a 2:1, a 3:1, c 1:1 */
    assert_int_equal(seen.fresh, 2);
    assert_int_equal(after.apps[0].endpoints[0].changed_ms, 100);
    assert_int_equal(after.apps[0].endpoints[1].changed_ms, 5);

    seen = (struct seen){ 0 };
    inspect_changes(&after, &before, 200, see, &seen);
    assert_int_equal(seen.gone, 1);             /* a 3:1; of c only that it is gone */
    seen = (struct seen){ 0 };
    inspect_changes(&before, &before, 300, see, &seen);
    assert_int_equal(seen.apps + seen.endpoints, 0);
    before.apps[0].panic = true;
    inspect_changes(&after, &before, 300, see, &seen);
    assert_true(seen.apps >= 1);
    inspect_view_free(&before);
    inspect_view_free(&after);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_down_says_what_brings_it_back),
        cmocka_unit_test(every_state_says_what_comes_next),
        cmocka_unit_test(a_probe_that_is_late_says_so),
        cmocka_unit_test(a_probe_that_began_late_says_so),
        cmocka_unit_test(a_window_is_a_rule_of_its_own),
        cmocka_unit_test(without_a_database_it_says_less),
        cmocka_unit_test(while_nothing_runs_nothing_comes),
        cmocka_unit_test(names_tell_what_dns_said),
        cmocka_unit_test(a_target_gives_its_host),
        cmocka_unit_test(a_probe_elsewhere_and_an_operator_are_told),
        cmocka_unit_test(changes_are_seen_and_marked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
