/*
 * Several apps and several texts: what they share, and what holds back what.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "config/config.h"
#include "config/load.h"

enum { MANY_APPS = 5000 };

/* One file of libconfig syntax for each text: a.conf, b.conf... */
static struct config *
load_texts(const char *const *texts, size_t count)
{
    struct loader *loader = loader_create();
    struct config *config;

    assert_non_null(loader);
    for (size_t i = 0; i < count; i++) {
        char name[] = "a.conf";

        name[0] = (char)('a' + i);
        assert_int_equal(loader_add_text(loader, name, texts[i], strlen(texts[i])), 0);
    }
    assert_int_equal(loader_finish(loader, &config), 0);
    return config;
}

static void
assert_errors(const struct config *config, const char *const *messages, size_t count)
{
    for (size_t i = 0; i < config->error_count && i < count; i++) {
        char *text = config_error_text(&config->errors[i]);

        assert_string_equal(text, messages[i]);
        free(text);
    }
    assert_int_equal(config->error_count, count);
}

#define APP(name, ports) "{ name = \"" name "\"; ports = " ports "; targets = \"t:1\"; }"
#define ONE(name, ports) "apps = (\n" APP(name, ports) ");"

static void
a_port_belongs_to_one_app_in_every_form(void **state)
{
    static const struct {
        const char *first, *second, *message;
    } cases[] = {
        { "80", "80", "80 is taken: app \"one\" listens on 80" },
        { "\"80-90\"", "85", "85 is taken: app \"one\" listens on 85" },
        { "85", "\"80-90\"", "85 is taken: app \"one\" listens on 85" },
        { "80", "\"127.0.0.1:80\"", "127.0.0.1:80 is taken: app \"one\" listens on 80" },
        { "80", "\"0.0.0.0:80\"", "0.0.0.0:80 is taken: app \"one\" listens on 80" },
        { "80", "\"[::]:80\"", "[::]:80 is taken: app \"one\" listens on 80" },
        { "\"[::1]:80\"", "80", "80 is taken: app \"one\" listens on [::1]:80" },
        { "\"0.0.0.0:80\"", "\"10.0.0.7:80\"",
          "10.0.0.7:80 is taken: app \"one\" listens on 0.0.0.0:80" },
        { "\"[::1]:80\"", "\"[::]:80\"", "[::]:80 is taken: app \"one\" listens on [::1]:80" },
        { "\"127.0.0.1:79-81\"", "\"[::ffff:127.0.0.1]:80\"",
          "127.0.0.1:80 is taken: app \"one\" listens on 127.0.0.1:80" },
        { "\"80-90\"", "\"88-99\"",
          "88 (and 2 more of this range) is taken: app \"one\" listens on 88" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char first[256], second[256], message[256];
        const char *texts[] = { first, second }, *messages[] = { message };
        struct config *config;

        snprintf(first, sizeof first, ONE("one", "%s"), cases[i].first);
        snprintf(second, sizeof second, "\n" ONE("two", "%s"), cases[i].second);
        snprintf(message, sizeof message, "b.conf:3: two: ports: %s (a.conf:2)",
                 cases[i].message);
        config = load_texts(texts, 2);
        assert_errors(config, messages, 1);
        assert_int_equal(config->app_count, 1);
        assert_string_equal(config->apps[0].app.name, "one");
        config_free(config);
    }
}

static void
two_addresses_may_share_a_port(void **state)
{
    static const char *const ports[] = { "\"127.0.0.1:80\"", "\"127.0.0.2:80\"", "\"[::1]:80\"",
                                         "\"0.0.0.0:81\"", "\"[::]:81\"" };
    char texts[ARRAY_SIZE(ports)][256];
    const char *all[ARRAY_SIZE(ports)];
    struct config *config;

    for (unsigned i = 0; i < ARRAY_SIZE(ports); i++) {
        snprintf(texts[i], sizeof texts[i], ONE("a%u", "%s"), i, ports[i]);
        all[i] = texts[i];
    }
    config = load_texts(all, ARRAY_SIZE(all));
    assert_int_equal(config->error_count, 0);
    assert_int_equal(config->app_count, ARRAY_SIZE(all));
    config_free(config);
}

static void
a_port_stands_once_in_an_app(void **state)
{
    static const char *const texts[] = { "apps = ( { name = \"a\"; targets = \"t:1\"; ports = "
                                         "(80,\n\"75-85\",\n\"[::1]:79\"); } );" };
    static const char *const messages[] = {
        "a.conf:2: a: ports: 80 is listed twice in this app, before as 80 in line 1",
        "a.conf:3: a: ports: [::1]:79 is listed twice in this app, before as 79 in line 2"
    };
    struct config *config = load_texts(texts, 1);

    assert_errors(config, messages, ARRAY_SIZE(messages));
    config_free(config);
}

static void
a_name_belongs_to_the_first_even_when_that_is_wrong(void **state)
{
    static const char *const texts[] = { ONE("same", "0"), "\n\n" ONE("same", "81") };
    static const char *const messages[] = {
        "a.conf:2: same: ports: 0 is out of range; allowed is 1 to 65535",
        "b.conf:4: same: name: \"same\" is taken: an app of this name stands at a.conf:2"
    };
    struct config *config = load_texts(texts, 2);

    assert_errors(config, messages, ARRAY_SIZE(messages));
    assert_int_equal(config->app_count, 0);
    config_free(config);
}

static void
an_app_that_is_wrong_holds_back_only_itself(void **state)
{
    static const char *const texts[] = { "apps = (" APP("a", "80") ",\n" APP(
                                             "b", "0") ",\n" APP("c", "82") ");",
                                         "this does not parse", ONE("d", "83") };
    struct config *config = load_texts(texts, 3);

    assert_int_equal(config->error_count, 2);
    assert_int_equal(config->app_count, 3);
    assert_string_equal(config->apps[1].app.name, "c");
    assert_int_equal(config->apps[1].line, 3);
    assert_string_equal(config->apps[2].source, "c.conf");
    assert_int_equal(config->opaque_file_count, 1);
    assert_string_equal(config->opaque_files[0], "b.conf");
    config_free(config);
}

static void
a_file_with_an_app_of_unknown_name_is_not_fully_known(void **state)
{
    static const char *const texts[] = { "apps = ( { ports = 80; } );",
                                         "app = (" APP("a", "81") ");", "apps = 5;" };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct config *config = load_texts(&texts[i], 1);

        assert_true(config->error_count > 0);
        assert_int_equal(config->opaque_file_count, 1);
        config_free(config);
    }
}

static void
defaults_hold_for_apps_of_all_files(void **state)
{
    static const char *const texts[] = {
        ONE("a", "80"),
        "defaults = { idle_timeout = \"5m\"; connect = { retries = 7; };"
        "probe = { interval = \"1s\"; }; };",
        "apps = ( { name = \"b\"; ports = 81; targets = \"t:1\"; connect = { per_try = 5; };"
        "probe = { interval = \"9s\"; fall = 9; }; } );"
    };
    struct config *config = load_texts(texts, 3);

    assert_int_equal(config->error_count, 0);
    assert_int_equal(config->apps[0].app.idle_timeout_ms, 300000);
    assert_int_equal(config->apps[0].app.half_close_timeout_ms, 300000);
    assert_int_equal(config->apps[0].app.probe.timeout_ms, 1000);
    assert_int_equal(config->apps[1].app.connect_retries, 7);
    assert_int_equal(config->apps[1].app.connect_per_try_ms, 5);
    assert_int_equal(config->apps[1].app.probe.interval_ms, 9000);
    assert_int_equal(config->apps[1].app.probe.timeout_ms, 2000);
    assert_int_equal(config->apps[1].app.probe.fall, 9);
    config_free(config);
}

static void
daemon_and_defaults_stand_in_one_file(void **state)
{
    static const char *const texts[] = {
        "daemon = { threads = 2; };\ndefaults = { threads = 3; };",
        "defaults = { threads = 4; };\n\ndaemon = { };"
    };
    static const char *const messages[] = {
        "b.conf:1: defaults: may stand in one file only; it stands at a.conf:2 too",
        "b.conf:3: daemon: may stand in one file only; it stands at a.conf:1 too"
    };
    struct config *config = load_texts(texts, 2);

    assert_errors(config, messages, ARRAY_SIZE(messages));
    assert_int_equal(config->settings.threads, 2);
    config_free(config);
}

static void
settings_are_read(void **state)
{
    static const char *const texts[] = {
        "daemon = { state_dir = \"/s\"; runtime_dir = \"/r\"; log_level = \"debug\";"
        "log_format = \"json\"; probe_concurrency = 10; probe_concurrency_per_destination = 5;"
        "dns = { servers = [\"127.0.0.1:5353\", \"::1\", \"10.0.0.1\"]; tries = 2;"
        "ttl_min = 0; ttl_max = \"1h\"; timeout = \"500ms\"; }; };"
    };
    struct config *config = load_texts(texts, 1);
    const struct settings *settings = &config->settings;
    char text[ADDRESS_TEXT_BYTES];

    assert_int_equal(config->error_count, 0);
    assert_string_equal(settings->state_dir, "/s");
    assert_string_equal(settings->runtime_dir, "/r");
    assert_int_equal(settings->log_level, LOG_DEBUG);
    assert_true(settings->log_level_set);
    assert_int_equal(settings->log_format, LOG_JSON);
    assert_int_equal(settings->probe_concurrency, 10);
    assert_int_equal(settings->dns_server_count, 3);
    assert_string_equal(address_format(&settings->dns_servers[0], text), "127.0.0.1:5353");
    assert_string_equal(address_format(&settings->dns_servers[1], text), "[::1]:53");
    assert_int_equal(settings->dns_ttl_max_ms, 3600000);
    assert_int_equal(settings->dns_timeout_ms, 500);
    config_free(config);
}

static void
all_forms_of_ports_and_targets_are_read(void **state)
{
    static const char *const texts[] = {
        "apps = ( { name = \"a\"; ports = (1, \"2\", \"10-12\", \"[::1]:20\", "
        "\"127.0.0.1:30-31\");"
        "targets = ( \"h.example:1\", { address = \"10.0.0.7:2\"; }, \"[fe80::1]:3\", "
        "\"srv:_http._tcp.h.example\", \"srv:80\" ); } );"
    };
    struct config *config = load_texts(texts, 1);
    const struct app_config *app;
    char text[ADDRESS_TEXT_BYTES], host[HOST_NAME_BYTES];

    assert_int_equal(config->error_count, 0);
    app = &config->apps[0].app;
    assert_int_equal(app->port_count, 8);
    assert_int_equal(app->ports[4].address.port, 12);
    assert_int_equal(app->ports[4].address.family, 0);
    assert_string_equal(address_format(&app->ports[5].address, text), "[::1]:20");
    assert_string_equal(address_format(&app->ports[7].address, text), "127.0.0.1:31");
    assert_int_equal(app->target_count, 5);
    app_target_host(&app->targets[0], host);
    assert_string_equal(host, "h.example");
    assert_int_equal(app->targets[0].port, 1);
    assert_int_equal(app->targets[0].address.family, 0);
    assert_string_equal(app->targets[1].name, "10.0.0.7:2");
    assert_int_equal(app->targets[1].address.family, 4);
    app_target_host(&app->targets[2], host);
    assert_string_equal(host, "fe80::1");
    assert_int_equal(app->targets[2].address.port, 3);
    assert_false(app->targets[2].service);
    app_target_host(&app->targets[3], host);
    assert_string_equal(host, "_http._tcp.h.example");
    assert_true(app->targets[3].service);
    assert_int_equal(app->targets[3].port, 0);
    app_target_host(&app->targets[4], host);
    assert_string_equal(host, "srv");       /* and its port 80: a host may be called so */
    assert_int_equal(app->targets[4].port, 80);
    config_free(config);
}

static void
a_byte_order_mark_is_no_error(void **state)
{
    static const char *const texts[] = {
        "\xef\xbb\xbf" ONE("one", "80"),
        "\xef\xbb\xbf",
        "\xef\xbb\xbf# nothing else\n",
    };
    struct config *config = load_texts(texts, ARRAY_SIZE(texts));

    assert_errors(config, NULL, 0);
    assert_int_equal(config->app_count, 1);
    config_free(config);
}

static void
garbage_is_an_error_whatever_it_is(void **state)
{
    char garbage[4096];
    unsigned seed = 7;

    for (int round = 0; round < 50; round++) {
        struct loader *loader = loader_create();
        struct config *config;

        assert_non_null(loader);
        for (size_t i = 0; i < sizeof garbage; i++)
            garbage[i] = (char)(rand_r(&seed) >> 7);
        garbage[sizeof garbage - 1] = '\0';
        assert_int_equal(loader_add_text(loader, "x.conf", garbage, sizeof garbage - 1), 0);
        assert_int_equal(loader_add_text(loader, "y.json", garbage, sizeof garbage - 1), 0);
        assert_int_equal(loader_finish(loader, &config), 0);
        assert_int_equal(config->opaque_file_count, 2);
        assert_true(config->error_count >= 2);
        config_free(config);
    }
}

/* Thousands of apps cost milliseconds; quadratic work would run into the test's time limit. */
static void
thousands_of_apps_are_checked_against_each_other(void **state)
{
    struct loader *loader = loader_create();
    struct config *config;

    assert_non_null(loader);
    for (unsigned i = 0; i < MANY_APPS; i++) {
        char name[32], text[512];

        snprintf(name, sizeof name, "%05u.conf", i);
        snprintf(text, sizeof text,
                 "apps = ( { name = \"app-%u\"; targets = (\"t-%u:1\", "
                 "\"10.0.0.1:80\"); ports = (%u, \"%u-%u\"); } );",
                 i, i, i + 1, 10000 + 10 * i, 10000 + 10 * i + (i == 4711 ? 10 : 9));
        assert_int_equal(loader_add_text(loader, name, text, strlen(text)), 0);
    }
    assert_int_equal(loader_finish(loader, &config), 0);
    assert_int_equal(config->error_count, 1);
    assert_string_equal(config->errors[0].app, "app-4712");
    assert_int_equal(config->app_count, MANY_APPS - 1);
    config_free(config);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_port_belongs_to_one_app_in_every_form),
        cmocka_unit_test(two_addresses_may_share_a_port),
        cmocka_unit_test(a_port_stands_once_in_an_app),
        cmocka_unit_test(a_name_belongs_to_the_first_even_when_that_is_wrong),
        cmocka_unit_test(an_app_that_is_wrong_holds_back_only_itself),
        cmocka_unit_test(a_file_with_an_app_of_unknown_name_is_not_fully_known),
        cmocka_unit_test(defaults_hold_for_apps_of_all_files),
        cmocka_unit_test(daemon_and_defaults_stand_in_one_file),
        cmocka_unit_test(settings_are_read),
        cmocka_unit_test(all_forms_of_ports_and_targets_are_read),
        cmocka_unit_test(a_byte_order_mark_is_no_error),
        cmocka_unit_test(garbage_is_an_error_whatever_it_is),
        cmocka_unit_test(thousands_of_apps_are_checked_against_each_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
