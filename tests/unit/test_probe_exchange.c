/* What a probe says, to targets that answer, each in its own way: a process that accepts once. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "probe_rig.h"

static struct app_step steps_list[2] = {
    { STEP_SEND, 6, (char[]){ "PING\r\n" } },
    { STEP_EXPECT, 5, (char[]){ "+PONG" } },
};

/* The first `count` of these steps. */
static struct rig_result
probe_it(rig_serve_fn *serve, uint32_t count)
{
    struct rig_probe probe;

    rig_init(&probe, "exchange");
    probe.config.steps = (struct app_steps){ steps_list, count };
    return rig_run(&probe, NULL, serve);
}

static void
answers(int client)
{
    char bytes[6];

    if (recv(client, bytes, sizeof bytes, MSG_WAITALL) == 6 && memcmp(bytes, "PING\r\n", 6) == 0)
        rig_say(client, "+PONG\r\n");
    rig_drain(client);
}

static void
answers_byte_by_byte(int client)
{
    for (const char *text = "welcome +PONG\r\n"; *text != '\0'; text++) {
        if (send(client, text, 1, MSG_NOSIGNAL) < 0)
            break;
        poll(NULL, 0, 2);
    }
    rig_drain(client);
}

static void
drips(int client)
{
    while (send(client, "x", 1, MSG_NOSIGNAL) == 1)
        poll(NULL, 0, 20);
}

static void
says_nothing(int client)
{
    rig_drain(client);
}

static void
closes(int client)
{
    char bytes[6];
    ssize_t heard = recv(client, bytes, sizeof bytes, MSG_WAITALL);

    (void)heard;
    close(client);
}

static void
refuses_and_closes(int client)
{
    char bytes[6];

    if (recv(client, bytes, sizeof bytes, MSG_WAITALL) == 6)
        rig_say(client, "-ERR go away\r\n");
    close(client);
}

static void
resets(int client)
{
    const struct linger now = { .l_onoff = 1 };
    char byte;
    ssize_t heard = recv(client, &byte, 1, 0);

    (void)heard;
    setsockopt(client, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(client);
}

static void
babbles(int client)
{
    char junk[4096];

    memset(junk, 'j', sizeof junk);
    while (send(client, junk, sizeof junk, MSG_NOSIGNAL) > 0)
        continue;
}

static void
one_that_answers_passes(void **state)
{
    struct rig_result heard = probe_it(answers, 2);

    assert_int_equal(heard.outcome, REASON_OK);
    assert_true(heard.connect_us > 0);
    assert_non_null(strstr(heard.detail, "answered in "));
    heard = probe_it(answers_byte_by_byte, 2);
    assert_int_equal(heard.outcome, REASON_OK);
}

static void
what_is_only_said_passes(void **state)
{
    assert_int_equal(probe_it(says_nothing, 1).outcome, REASON_OK);
}

static void
silence_is_a_time_out_and_other_words_are_none(void **state)
{
    struct rig_result heard = probe_it(says_nothing, 2);

    assert_int_equal(heard.outcome, REASON_READ_TIMEOUT);
    assert_string_equal(heard.detail, "after 0.4 s: expected \"+PONG\", heard nothing");
    assert_in_range(heard.took_ms, RIG_TIMEOUT_MS - 5, RIG_TIMEOUT_MS + 5000);
    heard = probe_it(drips, 2);     /* each byte does not make it begin anew */
    assert_int_equal(heard.outcome, REASON_MISMATCH);
    assert_non_null(strstr(heard.detail, "after 0.4 s: expected \"+PONG\", heard \"x"));
    assert_in_range(heard.took_ms, RIG_TIMEOUT_MS - 5, RIG_TIMEOUT_MS + 5000);
}

static void
one_that_closes_or_resets_says_so(void **state)
{
    struct rig_result heard = probe_it(closes, 2);

    assert_int_equal(heard.outcome, REASON_UNEXPECTED_EOF);
    assert_string_equal(heard.detail, "it has closed: expected \"+PONG\", heard nothing");
    heard = probe_it(refuses_and_closes, 2);
    assert_int_equal(heard.outcome, REASON_MISMATCH);
    assert_string_equal(heard.detail, "it has closed: expected \"+PONG\", heard "
                                      "\"-ERR go away\\r\\n\"");
    heard = probe_it(resets, 2);
    assert_int_equal(heard.outcome, REASON_UNEXPECTED_EOF);
}

static void
one_that_babbles_is_cut_off(void **state)
{
    struct rig_result heard = probe_it(babbles, 2);

    assert_int_equal(heard.outcome, REASON_MISMATCH);
    assert_non_null(strstr(heard.detail, "it talks and talks"));
    assert_true(heard.took_ms < 5000);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_answers_passes),
        cmocka_unit_test(what_is_only_said_passes),
        cmocka_unit_test(silence_is_a_time_out_and_other_words_are_none),
        cmocka_unit_test(one_that_closes_or_resets_says_so),
        cmocka_unit_test(one_that_babbles_is_cut_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
