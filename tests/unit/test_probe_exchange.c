/* What a probe says, to targets that answer, each in its own way: a process that accepts once. */
#include <event2/event.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/util.h"
#include "config/app_probe.h"
#include "probes/dialog.h"
#include "probes/probe.h"

enum { TIMEOUT_MS = 400 };

typedef void serve_fn(int client);

struct heard {
    enum reason outcome;
    char detail[DETAIL_BYTES];
    uint32_t connect_us;
};

static struct app_step steps_list[2] = {
    { STEP_SEND, 6, (char[]){ "PING\r\n" } },
    { STEP_EXPECT, 5, (char[]){ "+PONG" } },
};

static int
listen_on_loopback(struct address *address)
{
    struct sockaddr_storage storage;
    socklen_t bytes;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(address_parse_ip("127.0.0.1", 0, address), 0);
    bytes = address_to_sockaddr(address, &storage);
    assert_int_equal(bind(fd, (struct sockaddr *)&storage, bytes), 0);
    assert_int_equal(listen(fd, 16), 0);
    bytes = sizeof storage;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&storage, &bytes), 0);
    assert_int_equal(address_from_sockaddr((struct sockaddr *)&storage, address), 0);
    return fd;
}

static pid_t
start_target(int listener, serve_fn *serve)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        int client;

        signal(SIGPIPE, SIG_IGN);
        client = accept(listener, NULL, NULL);
        close(listener);            /* who connects after that is refused */
        serve(client);
        _exit(0);
    }
    close(listener);
    return pid;
}

static void
on_done(struct probe *probe, const struct probe_result *result)
{
    struct heard *heard = probe->context;

    heard->outcome = result->outcome;
    heard->connect_us = result->connect_us;
    snprintf(heard->detail, sizeof heard->detail, "%s", result->detail);
    event_base_loopbreak(probe->base);
}

static struct heard
probe_it(serve_fn *serve, struct app_step *list, uint32_t count)
{
    const struct app_steps steps = { list, count };
    struct event_base *base = event_base_new();
    struct heard heard = { REASON_NONE, "", 0 };
    const struct app_probe config = { .kind = "exchange", .timeout_ms = TIMEOUT_MS };
    struct dialog *dialog;
    struct address address;
    struct probe probe;
    pid_t pid = start_target(listen_on_loopback(&address), serve);

    assert_int_equal(dialog_create(&steps, &dialog), 0);
    probe_init(&probe, &probe_exchange, base, &address);
    probe.shared = dialog;
    probe.config = &config;
    probe.on_done = on_done;
    probe.context = &heard;
    assert_int_equal(probe_start(&probe), 0);
    event_base_dispatch(base);
    probe_fini(&probe);
    dialog_destroy(dialog);
    event_base_free(base);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    return heard;
}

static void
drain(int client)
{
    char bytes[256];

    while (recv(client, bytes, sizeof bytes, 0) > 0)
        continue;
}

static void
say(int client, const char *text)
{
    ssize_t sent = send(client, text, strlen(text), MSG_NOSIGNAL);

    (void)sent;
}

static void
answers(int client)
{
    char bytes[6];

    if (recv(client, bytes, sizeof bytes, MSG_WAITALL) == 6 && memcmp(bytes, "PING\r\n", 6) == 0)
        say(client, "+PONG\r\n");
    drain(client);
}

static void
answers_byte_by_byte(int client)
{
    for (const char *text = "welcome +PONG\r\n"; *text != '\0'; text++) {
        if (send(client, text, 1, MSG_NOSIGNAL) < 0)
            break;
        poll(NULL, 0, 2);
    }
    drain(client);
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
    drain(client);
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
        say(client, "-ERR go away\r\n");
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
    struct heard heard = probe_it(answers, steps_list, 2);

    assert_int_equal(heard.outcome, REASON_OK);
    assert_true(heard.connect_us > 0);
    assert_non_null(strstr(heard.detail, "answered in "));
    heard = probe_it(answers_byte_by_byte, steps_list, 2);
    assert_int_equal(heard.outcome, REASON_OK);
}

static void
what_is_only_said_passes(void **state)
{
    assert_int_equal(probe_it(says_nothing, steps_list, 1).outcome, REASON_OK);
}

static void
silence_is_a_time_out_and_other_words_are_none(void **state)
{
    uint64_t begin_ms = clock_monotonic_ms(), took_ms;
    struct heard heard = probe_it(says_nothing, steps_list, 2);

    took_ms = clock_monotonic_ms() - begin_ms;
    assert_int_equal(heard.outcome, REASON_READ_TIMEOUT);
    assert_string_equal(heard.detail, "after 0.4 s: expected \"+PONG\", heard nothing");
    assert_in_range(took_ms, TIMEOUT_MS - 5, TIMEOUT_MS + 5000);
    begin_ms = clock_monotonic_ms();
    heard = probe_it(drips, steps_list, 2);     /* each byte does not make it begin anew */
    took_ms = clock_monotonic_ms() - begin_ms;
    assert_int_equal(heard.outcome, REASON_MISMATCH);
    assert_non_null(strstr(heard.detail, "after 0.4 s: expected \"+PONG\", heard \"x"));
    assert_in_range(took_ms, TIMEOUT_MS - 5, TIMEOUT_MS + 5000);
}

static void
one_that_closes_or_resets_says_so(void **state)
{
    struct heard heard = probe_it(closes, steps_list, 2);

    assert_int_equal(heard.outcome, REASON_UNEXPECTED_EOF);
    assert_string_equal(heard.detail, "it has closed: expected \"+PONG\", heard nothing");
    heard = probe_it(refuses_and_closes, steps_list, 2);
    assert_int_equal(heard.outcome, REASON_MISMATCH);
    assert_string_equal(heard.detail, "it has closed: expected \"+PONG\", heard "
                                      "\"-ERR go away\\r\\n\"");
    heard = probe_it(resets, steps_list, 2);
    assert_int_equal(heard.outcome, REASON_UNEXPECTED_EOF);
}

static void
one_that_babbles_is_cut_off(void **state)
{
    uint64_t begin_ms = clock_monotonic_ms();
    struct heard heard = probe_it(babbles, steps_list, 2);

    assert_int_equal(heard.outcome, REASON_MISMATCH);
    assert_non_null(strstr(heard.detail, "it talks and talks"));
    assert_true(clock_monotonic_ms() - begin_ms < 5000);
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
