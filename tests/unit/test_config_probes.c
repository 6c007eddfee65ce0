/* The keys of all kinds of probes: read, printed and read back; what cannot be is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/util.h"
#include "config/app.h"
#include "config/app_read.h"
#include "config/canonical.h"

#define APP "name = \"a\"; ports = 80; targets = \"t:1\"; "

static void
parse(const char *more, struct app_config *app)
{
    char text[4096], why[DETAIL_BYTES] = "";

    snprintf(text, sizeof text, APP "%s", more);
    if (app_config_parse(text, app, why) < 0)
        fail_msg("%s: %s", more, why);
}

/* Prints it, reads that, prints again: it is the same. The first text is the caller's to free. */
static char *
print_twice(const struct app_config *app)
{
    struct app_config again;
    char why[DETAIL_BYTES] = "", *text = app_config_print(app), *second;

    if (app_config_parse(text, &again, why) < 0)
        fail_msg("%s: %s", text, why);
    second = app_config_print(&again);
    assert_string_equal(text, second);
    free(second);
    app_config_fini(&again);
    return text;
}

static void
all_keys_read_back(void **state)
{
    static const char *const texts[] = {
        "probe = { kind = \"http\"; method = \"HEAD\"; path = \"/h?x=1\"; host = \"www\"; "
        "status = \"200-299,404\"; body = \"yes\"; headers = ( \"A: b\", \"C: d\" ); };",
        "probe = { kind = \"https\"; sni = \"www.example\"; ca = \"/etc/ca.pem\"; verify = false; "
        "certificate_warn = \"30d\"; };",
        "probe = { kind = \"tls\"; port = 443; verify = false; };",
        "probe = { kind = \"grpc\"; service = \"my.Service\"; tls = true; };",
        "probe = { kind = \"exec\"; command = ( \"/bin/check\", \"-H\", \"x y\" ); user = \"nobody\"; "
        "cpu_time = \"1s\"; };",
        "probe = { kind = \"helper\"; command = ( \"/bin/helper\" ); };",
        "probe = { kind = \"dns\"; host = \"www.example\"; type = \"AAAA\"; };",
        "probe = { kind = \"push\"; ttl = \"15s\"; };",
        "probe = { kind = \"traffic\"; };",
        "probe = { kind = \"tcp\"; close = \"rst\"; window = 8; threshold = 3; };",
        "probes = ( { name = \"live\"; }, { name = \"deep\"; kind = \"http\"; path = \"/deep\"; "
        "interval = \"9s\"; }, { kind = \"exchange\"; preset = \"redis\"; role = \"startup\"; } ); "
        "probes_require = \"1 of 2\";",
        "probes = ( { role = \"liveness\"; send = \"a\"; expect = \"b\"; } ); "
        "probes_require = \"any\";",
    };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct app_config app;

        parse(texts[i], &app);
        free(print_twice(&app));
        app_config_fini(&app);
    }
}

static void
what_is_said_is_what_is_there(void **state)
{
    struct app_config app;
    const struct app_probe *probe;
    const struct app_probe_more *more;
    uint32_t count;

    parse("probe = { interval = \"3s\"; fall = 7; }; "
          "probes = ( { name = \"x\"; kind = \"http\"; status = [ 200, 204 ]; rise = 5; }, "
          "{ kind = \"exec\"; command = \"check -v | grep ok\"; } ); probes_require = \"2 of 2\";",
          &app);
    probe = app_config_probes(&app, &count);
    assert_int_equal(count, 2);
    assert_string_equal(app_probe_title(&probe[0]), "x");
    assert_string_equal(app_probe_text(&probe[0], PROBE_STATUS), "200,204");
    assert_null(app_probe_text(&probe[0], PROBE_PATH));
    assert_int_equal(probe[0].interval_ms, 3000);
    assert_int_equal(probe[0].fall, 7);
    assert_int_equal(probe[0].rise, 5);
    assert_int_equal(probe[0].timeout_ms, 2000);
    assert_string_equal(app_probe_title(&probe[1]), "exec");
    assert_int_equal(probe[1].timeout_ms, 3000);
    more = app_probe_more(&probe[1]);
    assert_int_equal(more->lists[PROBE_COMMAND].count, 3);
    assert_string_equal(more->lists[PROBE_COMMAND].items[0], "/bin/sh");
    assert_string_equal(more->lists[PROBE_COMMAND].items[2], "check -v | grep ok");
    assert_int_equal(app.probes.required, 2);
    app_config_fini(&app);

    parse("", &app);
    probe = app_config_probes(&app, &count);
    assert_int_equal(count, 1);
    assert_ptr_equal(probe, &app.probe);
    assert_null(probe->more);
    app_config_fini(&app);
}

static void
without_readiness_there_is_the_one_of_probe_too(void **state)
{
    static const char live[] = "{ role = \"liveness\"; send = \"a\"; expect = \"b\"; }";
    const struct app_probe *probes[APP_PROBES_MAX + 1];
    struct app_config app;
    char text[512];

    snprintf(text, sizeof text, "probe = { kind = \"push\"; }; probes = ( %s );", live);
    parse(text, &app);
    assert_int_equal(app_config_target_probes(&app, probes), 1);
    assert_ptr_equal(probes[0], &app.probe);
    assert_ptr_equal(app_config_find_probe(&app, "push"), &app.probe);
    assert_null(app_config_find_probe(&app, "tcp"));
    app_config_fini(&app);

    snprintf(text, sizeof text, "probe = { kind = \"traffic\"; }; probes = ( { name = "
             "\"first\"; role = \"startup\"; }, %s );", live);
    parse(text, &app);
    assert_int_equal(app_config_target_probes(&app, probes), 2);
    assert_ptr_equal(app_config_find_probe(&app, "traffic"), &app.probe);
    app_config_fini(&app);

    snprintf(text, sizeof text, "probe = { kind = \"push\"; }; probes = ( { kind = \"http\"; }, %s "
             ");", live);
    parse(text, &app);
    assert_int_equal(app_config_target_probes(&app, probes), 1);
    assert_null(app_config_find_probe(&app, "push"));
    app_config_fini(&app);
}

static void
a_copy_is_its_own(void **state)
{
    struct app_config app;
    struct app_probes copy;

    parse("probes = ( { kind = \"http\"; headers = ( \"A: b\" ); }, { kind = \"exchange\"; "
          "send = \"x\"; expect = \"y\"; } );", &app);
    assert_int_equal(app_probes_copy(&app.probes, &copy), 0);
    for (uint32_t i = 0; i < copy.count; i++)
        assert_true(app_probe_same_check(&app.probes.list[i], &copy.list[i]));
    assert_false(app_probe_same_check(&copy.list[0], &copy.list[1]));
    app_config_fini(&app);
    assert_string_equal(copy.list[0].more->lists[PROBE_HEADERS].items[0], "A: b");
    app_probes_fini(&copy);
}

/* ---- defaults ---- */

static void
defaults_with_several_probes_read_back(void **state)
{
    struct app_draft defaults, again;
    char why[DETAIL_BYTES] = "", *text, *second;

    assert_int_equal(app_defaults_parse("probe = { interval = \"2s\"; kind = \"http\"; path = "
                                        "\"/x\"; }; probes = ( { name = \"a\"; }, { name = \"b\"; "
                                        "fall = 9; } ); probes_require = \"any\";",
                                        &defaults, why), 0);
    text = app_defaults_print(&defaults);
    assert_int_equal(app_defaults_parse(text, &again, why), 0);
    second = app_defaults_print(&again);
    assert_string_equal(text, second);
    assert_null(strstr(text, "4294967295"));
    free(text);
    free(second);
    app_draft_fini(&defaults);
    app_draft_fini(&again);
}

static void
read_onto(const char *defaults_text, const char *text, struct app_draft *draft)
{
    struct app_draft defaults;
    struct canonical canonical;
    char why[DETAIL_BYTES] = "";
    int rc;

    assert_int_equal(app_defaults_parse(defaults_text, &defaults, why), 0);
    assert_int_equal(canonical_open(&canonical, text, why), 0);
    rc = app_read(canonical.root, SYNTAX_OURS, &defaults, &canonical.problems, draft);
    if (canonical_close(&canonical, rc) < 0)
        fail_msg("%s onto %s: %s", text, defaults_text, why);
    app_draft_fini(&defaults);
}

/* What a kind inherits and does not have must not be printed, for it could not be read back. */
static void
every_kind_goes_with_the_defaults_of_another(void **state)
{
    static const char *const defaults[] = {
        "probe = { close = \"rst\"; proxy_protocol = \"v2\"; };",
        "probe = { kind = \"https\"; verify = false; certificate_warn = 0; path = \"/x\"; };",
        "probe = { kind = \"grpc\"; tls = true; service = \"s\"; };",
        "probe = { kind = \"push\"; ttl = \"9s\"; };",
        "probe = { kind = \"exec\"; command = \"x\"; cpu_time = \"1s\"; };",
        ("probes = ( { name = \"a\"; }, { name = \"b\"; }, { name = \"c\"; } ); "
         "probes_require = \"2 of 3\";"),
    };
    static const char *const kinds[] = {
        "tcp", "exchange\"; send = \"a", "http", "https", "tls", "grpc",
        "exec\"; command = \"a", "helper\"; command = \"a", "dns\"; host = \"a", "push",
        "traffic", "none",
    };

    for (size_t d = 0; d < ARRAY_SIZE(defaults); d++) {
        for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
            struct app_draft draft;
            char text[512];

            snprintf(text, sizeof text, APP "probe = { kind = \"%s\"; };", kinds[k]);
            read_onto(defaults[d], text, &draft);
            free(print_twice(&draft.app));
            app_draft_fini(&draft);
        }
    }
}

static void
a_threshold_goes_with_its_window(void **state)
{
    struct app_config app;

    parse("probe = { window = 10; threshold = 8; }; probes = ( { name = \"a\"; window = 5; }, "
          "{ name = \"b\"; } );", &app);
    assert_int_equal(app.probes.list[0].threshold, 3);
    assert_int_equal(app.probes.list[1].window, 10);
    assert_int_equal(app.probes.list[1].threshold, 8);
    free(print_twice(&app));
    app_config_fini(&app);
}

/* ---- what cannot be ---- */

static void
what_cannot_be_is_told(void **state)
{
    static const struct {
        const char *text, *why;
    } wrongs[] = {
        { "probe = { kind = \"tcp\"; path = \"/x\"; };",
          "probe.path: is no key of the kind \"tcp\", but of http, https" },
        { "probe = { kind = \"http\"; path = \"x\"; };", "must begin with \"/\"" },
        { "probe = { kind = \"http\"; status = \"99\"; };", "is no status of HTTP" },
        { "probe = { kind = \"http\"; status = \"300-200\"; };", "is no status of HTTP" },
        { "probe = { kind = \"http\"; status = \"200,\"; };", "is no status of HTTP" },
        { "probe = { kind = \"http\"; status = ( ); };", "is no status of HTTP" },
        { "probe = { kind = \"http\"; headers = ( \"no colon\" ); };", "is no header" },
        { "probe = { kind = \"http\"; headers = ( \"A: b\\r\\nC: d\" ); };",
          "has a line end or another control character" },
        { "probe = { kind = \"http\"; path = \"/a\\r\\nHost: x\"; };",
          "has a line end or another control character" },
        { "probe = { kind = \"exec\"; };", "needs a program to run" },
        { "probe = { kind = \"exec\"; command = ( ); };", "has 0 texts" },
        { "probe = { kind = \"dns\"; };", "needs a name to ask for" },
        { "probe = { kind = \"https\"; verify = 1; };", "write true or false" },
        { "probe = { window = 4; threshold = 5; };", "make it at most `window`" },
        { "probe = { role = \"startup\"; };", "is a key of one of several" },
        { "probes = ( { }, { } );", "need different names" },
        { "probes = ( { name = \"A B\"; } );", "is no name of a probe" },
        { "probes = { };", "write a list" },
        { "probes = ( { }, { name = \"b\"; } ); probes_require = \"2 of 3\";",
          "but 2 probes have the role readiness" },
        { "probes_require = \"most\";", "write \"all\", \"any\" or \"2 of 3\"" },
        { "probes_require = \"3 of 2\";", "write \"all\", \"any\" or \"2 of 3\"" },
        { "probes = ( { role = \"liveness\"; } );", "a liveness probe has to say something" },
        { "probes = ( { role = \"liveness\"; kind = \"push\"; } );", "a liveness probe has to" },
        { "probes = ( { role = \"liveness\"; kind = \"traffic\"; } );", "a liveness probe has to" },
        { "probes = ( { name = \"1\"; }, { name = \"2\"; }, { name = \"3\"; }, { name = \"4\"; }, "
          "{ name = \"5\"; }, { name = \"6\"; }, { name = \"7\"; }, { name = \"8\"; }, "
          "{ name = \"9\"; } );", "there are too many" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(wrongs); i++) {
        char text[2048], why[DETAIL_BYTES] = "";
        struct app_config app;

        snprintf(text, sizeof text, APP "%s", wrongs[i].text);
        assert_int_equal(app_config_parse(text, &app, why), -22);
        if (strstr(why, wrongs[i].why) == NULL)
            fail_msg("%s: \"%s\" lacks \"%s\"", wrongs[i].text, why, wrongs[i].why);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_keys_read_back),
        cmocka_unit_test(what_is_said_is_what_is_there),
        cmocka_unit_test(without_readiness_there_is_the_one_of_probe_too),
        cmocka_unit_test(a_copy_is_its_own),
        cmocka_unit_test(defaults_with_several_probes_read_back),
        cmocka_unit_test(every_kind_goes_with_the_defaults_of_another),
        cmocka_unit_test(a_threshold_goes_with_its_window),
        cmocka_unit_test(what_cannot_be_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
