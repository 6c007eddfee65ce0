/* What a helper is asked, and which of its lines are answers. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/util.h"
#include "config/app_probe.h"
#include "probes/helper_line.h"
#include "probes/probe.h"

static int
take(const char *line, struct helper_answer *answer)
{
    char why[DETAIL_BYTES] = "";
    int rc = helper_line_read(line, strlen(line), answer, why);

    assert_int_equal(rc == 0, why[0] == '\0');
    return rc;
}

static void
the_question_is_one_line(void **state)
{
    const struct app_probe config = { .timeout_ms = 2000 };
    struct probe probe = { .config = &config, .app = "a", .target = "t\"\n:1" };
    char line[HELPER_LINE_BYTES];
    int length;

    address_parse_ip("::1", 80, &probe.address);
    length = helper_line_ask(&probe, 7, line);
    assert_int_equal(length, strlen(line));
    assert_string_equal(line, "{\"id\":7,\"app\":\"a\",\"target\":\"t\\\"\\n:1\","
                              "\"address\":\"[::1]:80\",\"timeout_ms\":2000}\n");
}

static void
an_answer_is_taken(void **state)
{
    struct helper_answer answer;

    assert_int_equal(take("{\"id\":3,\"ok\":true}", &answer), 0);
    assert_int_equal(answer.id, 3);
    assert_true(answer.ok);
    assert_false(answer.degraded || answer.warning);
    assert_string_equal(answer.detail, "");
    assert_true(answer.duration_ms < 0);
    assert_int_equal(take(" {\"ok\":false, \"id\":4, \"degraded\":true, \"warning\":true, "
                          "\"detail\":\"bad \\u0007\\nmore\", \"duration_ms\":1.5, "
                          "\"later\":[1]}\r",
                          &answer), 0);
    assert_int_equal(answer.id, 4);
    assert_false(answer.ok);
    assert_true(answer.degraded && answer.warning);
    assert_string_equal(answer.detail, "bad ?");
    assert_true(answer.duration_ms == 1.5);
}

static void
what_is_no_json_is_refused(void **state)
{
    static const char *const lines[] = {
        "ready", "{\"id\":1,\"ok\":true", "{\"id\":1,\"ok\":true} x",
        "{\"id\":1,\"id\":1,\"ok\":true}",
        "{\"id\":1,\"ok\":true,\"detail\":\"\xff\"}",
        "{\"id\":1,\"ok\":true,\"detail\":\"\\u0000\"}",
        "{\"id\":99999999999999999999,\"ok\":true}", " ",
    };
    struct helper_answer answer;

    for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
        assert_int_equal(take(lines[i], &answer), -EBADMSG);
}

static void
json_that_is_no_answer_is_told_apart(void **state)
{
    static const char *const lines[] = {
        "[1]", "{}", "{\"id\":1}", "{\"ok\":true}", "{\"id\":\"1\",\"ok\":true}",
        "{\"id\":-1,\"ok\":true}", "{\"id\":1,\"ok\":1}", "{\"id\":1,\"ok\":true,\"detail\":1}",
        "{\"id\":1,\"ok\":true,\"degraded\":1}", "{\"id\":1,\"ok\":true,\"duration_ms\":-1}",
    };
    struct helper_answer answer;

    for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
        assert_int_equal(take(lines[i], &answer), -EINVAL);
}

static void
depth_is_bounded(void **state)
{
    char line[HELPER_LINE_BYTES];
    struct helper_answer answer;

    memset(line, '[', sizeof line - 1);
    line[sizeof line - 1] = '\0';
    assert_int_equal(take(line, &answer), -EBADMSG);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_question_is_one_line),
        cmocka_unit_test(an_answer_is_taken),
        cmocka_unit_test(what_is_no_json_is_refused),
        cmocka_unit_test(json_that_is_no_answer_is_told_apart),
        cmocka_unit_test(depth_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
