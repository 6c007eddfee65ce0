#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proxy/supervisor/status.h"

static void
assert_json(json_t *json, const char *expected)
{
    char *text;

    assert_non_null(json);
    text = json_dumps(json, JSON_COMPACT);
    assert_string_equal(text, expected);
    free(text);
    json_decref(json);
}

static void
an_app_has_the_keys_of_the_contract(void **state)
{
    const struct app_listen ports[] = {
        { .address.port = 5001 },
        { .address = { .family = 4, .ip = { 127, 0, 0, 1 }, .port = 5002 } },
    };
    const struct app_rollout rollout = { .outcome = "done", .reason = (char[]){ "not_ready" },
                                           .started_at_ms = 1000, .finished_at_ms = 2500 };
    const struct app_status status = {
        .name = "web", .state = "ready", .ready = true, .generation = 3, .ports = ports,
        .port_count = 2, .worker = "web", .outdated = true,
        .process = { 42, true, "signal 9 (Killed)" }, .connections = 7, .available = 2,
        .total = 4, .panics = 2, .rollback = "holds", .rollout = &rollout,
    };

    assert_json(status_app_json(&status),
                "{\"name\":\"web\",\"state\":\"ready\",\"ready\":true,\"generation\":3,"
                "\"ports\":[5001,\"127.0.0.1:5002\"],\"worker\":{\"name\":\"web\",\"pid\":42,"
                "\"outdated\":true,\"crash_loop\":true,\"last_end\":\"signal 9 (Killed)\"},"
                "\"connections\":7,\"targets\":{\"available\":2,\"total\":4},\"panics\":2,"
                "\"overrides\":[],\"rollback\":\"holds\","
                "\"last_rollout\":{\"outcome\":\"done\",\"reason\":\"not_ready\","
                "\"started_at\":\"1970-01-01T00:00:01.000Z\","
                "\"finished_at\":\"1970-01-01T00:00:02.500Z\"}}");
}

static void
what_is_not_there_is_null(void **state)
{
    const struct app_rollout open = { .started_at_ms = 1000 };
    const struct app_rollout none = { 0 };
    struct app_status status = { .name = "a", .state = "config_error", .worker = "a",
                                 .rollout = &open };
    json_t *never;

    assert_json(status_app_json(&status),
                "{\"name\":\"a\",\"state\":\"config_error\",\"ready\":false,\"generation\":0,"
                "\"ports\":[],\"worker\":{\"name\":\"a\",\"pid\":null,\"outdated\":false,"
                "\"crash_loop\":false,\"last_end\":null},\"connections\":0,"
                "\"targets\":{\"available\":0,\"total\":0},\"panics\":0,\"overrides\":[],"
                "\"rollback\":null,\"last_rollout\":{\"outcome\":null,"
                "\"reason\":\"\",\"started_at\":\"1970-01-01T00:00:01.000Z\","
                "\"finished_at\":null}}");
    status.rollout = &none;
    never = status_app_json(&status);
    assert_true(json_is_null(json_object_get(never, "last_rollout")));
    json_decref(never);
}

static void
the_whole_names_the_processes(void **state)
{
    const struct process_status prober = { .looping = true, .last_end = "exit status 1" };

    assert_json(status_json("1.2.3", 10, 99, &prober, false, json_null(), json_array(),
                            json_array()),
                "{\"version\":\"1.2.3\",\"supervisor\":{\"pid\":10,\"uptime_s\":99},"
                "\"prober\":{\"pid\":null,\"ready\":false,\"crash_loop\":true,"
                "\"last_end\":\"exit status 1\",\"probe_lag\":null},\"config_errors\":[],"
                "\"apps\":[]}");
}

static void
a_list_that_could_not_be_made_makes_no_status(void **state)
{
    const struct process_status prober = { .pid = 11 };

    assert_null(status_json("1.2.3", 10, 99, &prober, true, json_null(), json_array(), NULL));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_app_has_the_keys_of_the_contract),
        cmocka_unit_test(what_is_not_there_is_null),
        cmocka_unit_test(the_whole_names_the_processes),
        cmocka_unit_test(a_list_that_could_not_be_made_makes_no_status),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
