/*
 * The canonical text: what is printed reads back the same, whatever it holds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "config/app.h"
#include "config/app_read.h"
#include "config/duration.h"
#include "config/settings.h"

enum { ROUNDS = 2000 };

/* Deterministic: a failure can be looked at again. */
static uint32_t
any(uint32_t min, uint32_t max)
{
    static uint64_t seed = 20240229;

    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return min + (uint32_t)((seed >> 33) % ((uint64_t)max - min + 1));
}

static void
any_name(char *name, uint32_t length_max)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    uint32_t length = any(1, length_max);

    for (uint32_t i = 0; i < length; i++)
        name[i] = letters[any(0, i == 0 ? 25 : sizeof letters - 2)];
    name[length] = '\0';
}

static void
any_address(struct address *address)
{
    static const char *const texts[] = { "127.0.0.1", "0.0.0.0",     "10.0.0.7",      "::1",
                                         "::",        "2001:db8::7", "::ffff:1.2.3.4" };

    assert_int_equal(address_parse_ip(texts[any(0, ARRAY_SIZE(texts) - 1)],
                                      (uint16_t)any(1, 65535), address),
                     0);
}

static void
any_target(struct app_target *target, uint32_t index)
{
    char name[TARGET_NAME_BYTES];
    struct address address;
    const char *why;

    if (any(0, 1) == 0) {
        any_address(&address);
        address_format(&address, name);
    } else if (any(0, 3) == 0) {
        snprintf(name, sizeof name, "srv:_s%u._tcp.%u.test", index, any(0, 65535));
    } else {
        any_name(name, 50);
        snprintf(name + strlen(name), 32, ".n%u:%u", index, any(1, 65535)); /* none twice */
    }
    assert_int_equal(app_target_init(target, name, &why), 0);
    if (any(0, 2) > 0)
        return;
    target->weight = (uint16_t)any(1, APP_WEIGHT_MAX);
    target->tier = (uint16_t)any(0, APP_TIER_MAX);
}

/* Of a regular expression none that has a meaning there. */
static char
any_byte(bool is_regex, bool is_text)
{
    static const char plain[] = "ab\"\n\x7f\x01 ";

    if (is_regex)
        return plain[any(0, sizeof plain - 2)];
    return (char)(is_text ? any(1, 0x7f) : any(0, 255));
}

static void
any_steps(struct app_steps *steps)
{
    uint32_t count = any(0, 4);
    bool is_text;

    steps->list = count == 0 ? NULL : calloc(count, sizeof *steps->list);
    for (uint32_t i = 0; i < count; i++) {
        struct app_step *step = &steps->list[steps->count++];

        step->kind = (enum app_step_kind)any(STEP_SEND, STEP_EXPECT_REGEX);
        step->length = any(1, 40);
        step->bytes = calloc(step->length + 1, 1);
        assert_non_null(step->bytes);
        is_text = any(0, 1);
        for (uint32_t k = 0; k < step->length; k++)
            step->bytes[k] = any_byte(step->kind == STEP_EXPECT_REGEX, is_text);
    }
}

static bool
has_target(const struct app_config *app, const struct app_target *target)
{
    for (uint32_t i = 0; i < app->target_count; i++)
        if (strcmp(app->targets[i].name, target->name) == 0)
            return true;
    return false;
}

static void
any_app(struct app_config *app)
{
    uint32_t ports = any(1, 20), targets = any(1, 20);

    memset(app, 0, sizeof *app);
    app_config_defaults(app);
    any_name(app->name, APP_NAME_BYTES - 1);
    app->ports = calloc(ports, sizeof *app->ports);
    app->targets = calloc(targets, sizeof *app->targets);
    for (; app->port_count < ports; app->port_count++) {
        struct address *address = &app->ports[app->port_count].address;

        if (any(0, 1) == 0)
            any_address(address);
        else
            address->port = (uint16_t)any(1, 65535);
    }
    for (uint32_t i = 0; i < targets; i++) {
        struct app_target *target = &app->targets[app->target_count];

        any_target(target, i);
        if (has_target(app, target))
            app_target_fini(target);
        else
            app->target_count++;
    }
    strcpy(app->probe.kind, any(0, 1) ? "tcp" : "none");
    app->probe.interval_ms = any(10, 86400000);
    app->probe.timeout_ms = any(1, MIN(app->probe.interval_ms, 3600000));
    app->probe.rise = any(1, 1000);
    app->probe.fall = any(1, 1000);
    app->probe.jitter_percent = any(0, 50);
    app->probe.port = any(0, 1) ? any(1, 65535) : 0;
    if (any(0, 1)) {
        any_address(&app->probe.address);
        app->probe.address.port = 0;
    }
    if (strcmp(app->probe.kind, "tcp") == 0)
        any_steps(&app->probe.steps);
    app->initial = (enum app_initial)any(APP_INITIAL_HISTORY, APP_INITIAL_DOWN);
    app->panic = (enum app_panic)any(APP_PANIC_ALL, APP_PANIC_FAIL);
    app->ready_min_available = any(0, 4096);
    app->ready_timeout_ms = any(0, 3600000);
    app->connect_timeout_ms = any(1, 3600000);
    app->connect_per_try_ms = any(1, 3600000);
    app->connect_retries = any(0, 15);
    app->connect_stagger_ms = any(1, 3600000);
    app->idle_timeout_ms = any(0, DURATION_MS_MAX);
    app->half_close_timeout_ms = any(0, DURATION_MS_MAX);
    app->drain_timeout_ms = any(0, 3600000);
    app->handover_timeout_ms = any(0, DURATION_MS_MAX);
    app->user_timeout_ms = any(0, 86400000);
    app->slow_start_ms = any(0, 3600000);
    if (any(0, 1)) {
        app->flap_half_life_ms = any(1000, 3600000);
        app->flap_reuse = any(1, 99999);
        app->flap_suppress = any(app->flap_reuse + 1, 100000);
    }
    if (any(0, 1) == 0)
        any_name(app->worker, APP_NAME_BYTES - 1);
    app->threads = any(0, 64);
    app->endpoints_max = any(1, 65535);
}

/* The lists, then all the rest at once: with equal pointers, equal bytes are equal structs. */
static void
assert_same_app(const struct app_config *a, const struct app_config *b)
{
    struct app_config copy = *b;

    assert_int_equal(a->port_count, b->port_count);
    assert_memory_equal(a->ports, b->ports, a->port_count * sizeof *a->ports);
    assert_int_equal(a->target_count, b->target_count);
    for (uint32_t i = 0; i < a->target_count; i++) {
        const struct app_target *left = &a->targets[i], *right = &b->targets[i];

        assert_string_equal(left->name, right->name);
        assert_int_equal(left->port, right->port);
        assert_int_equal(left->service, right->service);
        assert_int_equal(left->weight, right->weight);
        assert_int_equal(left->tier, right->tier);
        assert_memory_equal(&left->address, &right->address, sizeof left->address);
    }
    copy.ports = a->ports;
    copy.targets = a->targets;
    assert_true(steps_equal(&a->probe.steps, &b->probe.steps));
    copy.probe.steps = a->probe.steps;
    assert_memory_equal(a, &copy, sizeof copy);
}

static void
an_app_reads_back_as_it_was_printed(void **state)
{
    for (int i = 0; i < ROUNDS; i++) {
        struct app_config app, again;
        char why[DETAIL_BYTES] = "", *text, *text_again;

        any_app(&app);
        text = app_config_print(&app);
        assert_non_null(text);
        if (app_config_parse(text, &again, why) != 0)
            fail_msg("%s\n%s", why, text);
        assert_same_app(&app, &again);
        text_again = app_config_print(&again);
        assert_string_equal(text, text_again);
        free(text);
        free(text_again);
        app_config_fini(&app);
        app_config_fini(&again);
    }
}

static void
the_largest_app_fits_its_text(void **state)
{
    struct app_config app, again;
    char why[DETAIL_BYTES], name[TARGET_NAME_BYTES], *text;
    const char *wrong;

    app_config_defaults(&app);
    strcpy(app.name, "largest");
    app.ports = calloc(APP_PORTS_MAX, sizeof *app.ports);
    app.targets = calloc(APP_TARGETS_MAX, sizeof *app.targets);
    for (; app.port_count < APP_PORTS_MAX; app.port_count++)
        assert_int_equal(address_parse_ip("2001:db8:1111:2222:3333:4444:5555:6666",
                                          (uint16_t)(60000 - app.port_count),
                                          &app.ports[app.port_count].address),
                         0);
    app.target_count = APP_TARGETS_MAX;
    for (uint32_t i = 0; i < APP_TARGETS_MAX; i++) {
        snprintf(name, sizeof name, "a%060u.b%060u.c%060u.d%060u:65535", i, i, i, i);
        assert_int_equal(app_target_init(&app.targets[i], name, &wrong), 0);
        app.targets[i].weight = APP_WEIGHT_MAX;
        app.targets[i].tier = APP_TIER_MAX;
    }
    text = app_config_print(&app);
    assert_non_null(text);
    assert_true(strlen(text) < APP_TEXT_BYTES_MAX);
    if (app_config_parse(text, &again, why) != 0)
        fail_msg("%s", why);
    assert_same_app(&app, &again);
    free(text);
    app_config_fini(&app);
    app_config_fini(&again);
}

static void
what_is_not_given_has_its_default(void **state)
{
    struct app_config defaults, app;
    char why[DETAIL_BYTES];

    app_config_defaults(&defaults);
    assert_int_equal(
        app_config_parse("name = \"a\"; ports = 80; targets = \"t:1\";", &app, why), 0);
    assert_memory_equal(&app.probe, &defaults.probe, sizeof app.probe);
    assert_int_equal(app.connect_timeout_ms, 10000);
    assert_int_equal(app.connect_stagger_ms, 250);
    assert_int_equal(app.half_close_timeout_ms, app.idle_timeout_ms);
    app_config_fini(&app);
}

/* What a database of the version before holds: keys that came later are not there. */
static void
a_text_of_an_older_version_reads_with_the_defaults_of_newer_keys(void **state)
{
    static const char text[] =
        "name = \"a\";\nports = (80);\ntargets = (\n  \"t:1\"\n);\n"
        "strategy = \"round_robin\";\nprobe = {\n  kind = \"tcp\";\n  interval = \"5s\";\n"
        "  timeout = \"2s\";\n  rise = 2;\n  fall = 3;\n  jitter = 10;\n};\n"
        "ready = {\n  min_available = 1;\n  timeout = \"10s\";\n};\n"
        "connect = {\n  timeout = \"10s\";\n  per_try = \"3s\";\n  retries = 3;\n"
        "  stagger = \"250ms\";\n};\ninitial = \"history\";\npanic = \"all\";\n"
        "idle_timeout = \"1h\";\nhalf_close_timeout = \"1h\";\ndrain_timeout = \"30s\";\n"
        "user_timeout = \"0s\";\nthreads = 0;\nendpoints_max = 4096;\n";
    struct app_config app;
    struct settings settings;
    char why[DETAIL_BYTES];

    assert_int_equal(app_config_parse(text, &app, why), 0);
    assert_string_equal(app.worker, "");
    assert_int_equal(app.handover_timeout_ms, 0);
    app_config_fini(&app);
    assert_int_equal(settings_parse("state_dir = \"\"; threads = 3;", &settings, why), 0);
    assert_int_equal(settings.worker_pool, 0);
    assert_int_equal(settings.threads, 3);
}

/* An app may leave the process that `defaults` put it in. */
static void
a_worker_is_named_as_an_app_is(void **state)
{
    struct app_config app;
    char why[DETAIL_BYTES];

#define WORKER(name) "name = \"a\"; ports = 80; targets = \"t:1\"; worker = " name ";"
    assert_int_equal(app_config_parse(WORKER("\"shared-1\""), &app, why), 0);
    assert_string_equal(app.worker, "shared-1");
    app_config_fini(&app);
    assert_int_equal(app_config_parse(WORKER("\"\""), &app, why), 0);
    assert_string_equal(app.worker, "");
    app_config_fini(&app);
    assert_int_equal(app_config_parse(WORKER("\"../up\""), &app, why), -EINVAL);
    assert_int_equal(app_config_parse(WORKER("5"), &app, why), -EINVAL);
    assert_string_equal(why, "line 1: worker: is a whole number; write worker = \"shared\"");
}

static void
values_follow_those_they_depend_on(void **state)
{
    struct app_config app;
    char why[DETAIL_BYTES];

    assert_int_equal(app_config_parse("name = \"a\"; ports = 80; targets = \"t:1\";"
                                      "probe = { interval = \"1s\"; }; idle_timeout = \"5m\";",
                                      &app, why),
                     0);
    assert_int_equal(app.probe.timeout_ms, 1000);
    assert_int_equal(app.half_close_timeout_ms, 300000);
    app_config_fini(&app);
    assert_int_equal(app_config_parse("name = \"a\"; ports = 80; targets = \"t:1\";"
                                      "probe = { interval = \"1m\"; }; idle_timeout = 0;"
                                      "half_close_timeout = 7;",
                                      &app, why),
                     0);
    assert_int_equal(app.probe.timeout_ms, 2000);
    assert_int_equal(app.half_close_timeout_ms, 7);
    app_config_fini(&app);
}

static void
how_a_probe_begins_and_ends_is_kept(void **state)
{
    struct app_config app, again;
    char why[DETAIL_BYTES], *text;

    assert_int_equal(app_config_parse("name = \"a\"; ports = 80; targets = \"t:1\";"
                                      "probe = { close = \"banner\"; proxy_protocol = \"v2\"; };",
                                      &app, why),
                     0);
    assert_int_equal(app_probe_more(&app.probe)->close, PROBE_CLOSE_BANNER);
    assert_int_equal(app_probe_more(&app.probe)->proxy_protocol, PROBE_PROXY_V2);
    text = app_config_print(&app);
    assert_int_equal(app_config_parse(text, &again, why), 0);
    assert_true(app_probe_same_check(&app.probe, &again.probe));
    app_probe_make_more(&again.probe)->proxy_protocol = PROBE_PROXY_V1;
    assert_false(app_probe_same_check(&app.probe, &again.probe));
    free(text);
    app_config_fini(&again);
    app_config_fini(&app);
}

static void
what_is_no_canonical_text_says_why_and_leaves_nothing(void **state)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        { "", "name: is missing; every app has one: lower-case letters, digits and \"-\"" },
        { "name = ", "line 1: syntax error in this line or just before it: look for a missing "
                     "\";\", \",\", quote or bracket" },
        { "name = \"a\";\nports = (1, 2, 70000);\ntargets = \"t\";",
          "line 2: ports: 70000 is out of range; allowed is 1 to 65535" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct app_config app;
        char why[DETAIL_BYTES] = "";

        assert_int_equal(app_config_parse(cases[i].text, &app, why), -EINVAL);
        assert_string_equal(why, cases[i].why);
    }
}

static void
any_settings(struct settings *settings)
{
    settings_defaults(settings);
    strcpy(settings->state_dir, "/a \"b\" \\c\\ \\x41\n\t\x01\x7f\xc3\xa9\xff@include");
    settings->state_dir[any(0, 20)] = '\0'; /* often within an escape */
    if (any(0, 1))
        strcpy(settings->runtime_dir, "/run/fproxy");
    settings->log_level_set = any(0, 1);
    if (settings->log_level_set)
        settings->log_level = (enum log_level)any(LOG_ERROR, LOG_DEBUG);
    settings->log_format = any(0, 1) ? LOG_TEXT : LOG_JSON;
    settings->threads = any(0, 64);
    settings->probe_concurrency = any(1, 65535);
    settings->worker_pool = any(0, WORKER_POOL_MAX);
    settings->probe_concurrency_per_destination = any(1, 65535);
    settings->dns_server_count = any(0, DNS_SERVERS_MAX);
    for (uint32_t i = 0; i < settings->dns_server_count; i++)
        any_address(&settings->dns_servers[i]);
    settings->dns_ttl_min_ms = any(0, 1000);
    settings->dns_ttl_max_ms = any(1000, 7 * 86400000u);
    settings->dns_negative_min_ms = any(1000, 2000);
    settings->dns_negative_max_ms = any(2000, 86400000);
    settings->dns_timeout_ms = any(10, 60000);
    settings->dns_tries = any(1, 10);
}

static void
settings_read_back_as_they_were_printed(void **state)
{
    for (int i = 0; i < ROUNDS; i++) {
        struct settings settings, again;
        char why[DETAIL_BYTES] = "", *text;

        any_settings(&settings);
        text = settings_print(&settings);
        assert_non_null(text);
        memset(&again, 0, sizeof again);
        if (settings_parse(text, &again, why) != 0)
            fail_msg("%s\n%s", why, text);
        assert_string_equal(settings.state_dir, again.state_dir);
        assert_string_equal(settings.runtime_dir, again.runtime_dir);
        assert_memory_equal((const char *)&settings + offsetof(struct settings, log_level),
                            (const char *)&again + offsetof(struct settings, log_level),
                            sizeof settings - offsetof(struct settings, log_level));
        free(text);
    }
}

/* What apps get from them is the same, also where a value follows one of the app's. */
static void
defaults_read_back_as_they_were_printed(void **state)
{
    struct app_draft defaults, again;
    char why[DETAIL_BYTES], *text, *twice;

    app_draft_init(&defaults);
    for (int given = 0; given <= 1; given++) {
        defaults.app.idle_timeout_ms = 7 * 60 * 1000;
        defaults.app.connect_retries = 9;
        if (given) {
            defaults.app.half_close_timeout_ms = 5000;
            defaults.app.probe.timeout_ms = 700;
        }
        text = app_defaults_print(&defaults);
        assert_non_null(text);
        assert_int_equal(strstr(text, "half_close_timeout") != NULL, given);
        if (app_defaults_parse(text, &again, why) != 0)
            fail_msg("%s\n%s", why, text);
        assert_memory_equal(&again, &defaults, sizeof again);
        twice = app_defaults_print(&again);
        assert_string_equal(twice, text);
        free(twice);
        free(text);
    }
    assert_int_equal(app_defaults_parse("ports = (1);", &again, why), -EINVAL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_app_reads_back_as_it_was_printed),
        cmocka_unit_test(the_largest_app_fits_its_text),
        cmocka_unit_test(what_is_not_given_has_its_default),
        cmocka_unit_test(a_text_of_an_older_version_reads_with_the_defaults_of_newer_keys),
        cmocka_unit_test(a_worker_is_named_as_an_app_is),
        cmocka_unit_test(values_follow_those_they_depend_on),
        cmocka_unit_test(how_a_probe_begins_and_ends_is_kept),
        cmocka_unit_test(what_is_no_canonical_text_says_why_and_leaves_nothing),
        cmocka_unit_test(settings_read_back_as_they_were_printed),
        cmocka_unit_test(defaults_read_back_as_they_were_printed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
