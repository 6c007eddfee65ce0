/* How probes of the kinds "tcp" and "exchange" begin and end, as the target sees it. Both live on
 * one loop; the target's side is looked at when the probe is over. */
#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/util.h"
#include "config/app_probe.h"
#include "probes/dialog.h"
#include "probes/probe.h"
#include "probes/proxy_header.h"

enum { TIMEOUT_MS = 200, LONG_MS = 5000 };

/* A target, and what it does with the one client it has. */
struct target {
    struct event_base *base;
    struct event *event;
    struct address address;
    const char *greeting;           /* NULL: it says nothing */
    bool leaves;                    /* it closes at once */
    int listener, client;           /* -1: nobody came */
};

struct found {
    enum reason outcome;
    char detail[DETAIL_BYTES];
};

static void
on_client(evutil_socket_t fd, short what, void *context)
{
    struct target *target = context;

    target->client = accept(fd, NULL, NULL);
    if (target->client >= 0 && target->greeting != NULL)
        assert_true(send(target->client, target->greeting, strlen(target->greeting),
                         MSG_NOSIGNAL) > 0);
    if (target->client >= 0 && target->leaves)
        close(target->client);
}

static void
open_target(struct target *target, const char *greeting, bool leaves)
{
    struct sockaddr_storage storage;
    socklen_t bytes;

    *target = (struct target){ .greeting = greeting, .leaves = leaves, .client = -1 };
    target->base = event_base_new();
    target->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(address_parse_ip("127.0.0.1", 0, &target->address), 0);
    bytes = address_to_sockaddr(&target->address, &storage);
    assert_int_equal(bind(target->listener, (struct sockaddr *)&storage, bytes), 0);
    assert_int_equal(listen(target->listener, 16), 0);
    bytes = sizeof storage;
    assert_int_equal(getsockname(target->listener, (struct sockaddr *)&storage, &bytes), 0);
    assert_int_equal(address_from_sockaddr((struct sockaddr *)&storage, &target->address), 0);
    target->event = event_new(target->base, target->listener, EV_READ, on_client, target);
    event_add(target->event, NULL);
}

static void
close_target(struct target *target)
{
    event_free(target->event);
    event_base_free(target->base);
    close(target->listener);
    if (target->client >= 0 && !target->leaves)
        close(target->client);
}

static void
on_done(struct probe *probe, const struct probe_result *result)
{
    struct found *found = probe->context;

    found->outcome = result->outcome;
    snprintf(found->detail, sizeof found->detail, "%s", result->detail);
    event_base_loopbreak(probe->base);
}

static struct found
probe_it(struct target *target, struct app_probe *config, struct app_probe_more *more)
{
    struct found found = { REASON_NONE, "" };
    struct probe probe;
    char why[DETAIL_BYTES];

    config->more = more;
    config->timeout_ms = config->timeout_ms == 0 ? LONG_MS : config->timeout_ms;
    probe_init(&probe, probe_find(config->kind, why), target->base, &target->address);
    assert_int_equal(probe.ops->prepare(config, target->base, &probe.shared, why), 0);
    probe.config = config;
    probe.on_done = on_done;
    probe.context = &found;
    assert_int_equal(probe_start(&probe), 0);
    event_base_dispatch(target->base);
    probe_fini(&probe);
    probe.ops->release(probe.shared);
    return found;
}

static void
take_client(struct target *target)
{
    struct pollfd ready = { .fd = target->listener, .events = POLLIN };

    if (target->client >= 0)
        return;
    assert_int_equal(poll(&ready, 1, LONG_MS), 1);
    target->client = accept(target->listener, NULL, NULL);
    assert_true(target->client >= 0);
}

/* All that the client said, into `bytes`, and how it left: 0 with FIN, else -errno. */
static int
hear(struct target *target, char *bytes, size_t room, size_t *count)
{
    struct pollfd ready = { .events = POLLIN };
    ssize_t heard;

    take_client(target);
    ready.fd = target->client;
    *count = 0;
    do {
        assert_true(*count < room);
        assert_int_equal(poll(&ready, 1, LONG_MS), 1);
        heard = recv(target->client, bytes + *count, room - *count, 0);
        *count += heard > 0 ? (size_t)heard : 0;
    } while (heard > 0);
    return heard < 0 ? -errno : 0;
}

static int
hear_end(struct target *target)
{
    char bytes[64];
    size_t count;

    return hear(target, bytes, sizeof bytes, &count);
}

static void
fin_is_the_end_as_ever(void **state)
{
    struct app_probe config = { .kind = "tcp" };
    struct app_probe_more more = { .close = PROBE_CLOSE_FIN };
    struct target target;

    open_target(&target, NULL, false);
    assert_int_equal(probe_it(&target, &config, &more).outcome, REASON_OK);
    assert_int_equal(hear_end(&target), 0);
    close_target(&target);
}

static void
rst_comes_before_the_target_learns_of_it(void **state)
{
    struct app_probe config = { .kind = "tcp" };
    struct app_probe_more more = { .close = PROBE_CLOSE_RST };
    struct target target;
    struct found found;

    open_target(&target, NULL, false);
    found = probe_it(&target, &config, &more);
    assert_int_equal(found.outcome, REASON_OK);
    assert_non_null(strstr(found.detail, "connected in "));
    assert_int_equal(accept(target.listener, NULL, NULL), -1);
    assert_int_equal(errno, EAGAIN);
    close(target.listener);
    target.listener = -1;
    found = probe_it(&target, &config, &more);
    assert_int_equal(found.outcome, REASON_CONNECT_REFUSED);
    close_target(&target);
}

static void
rst_ends_what_was_said(void **state)
{
    struct app_step steps[] = { { STEP_SEND, 4, (char[]){ "bye\n" } },
                                { STEP_EXPECT, 2, (char[]){ "hi" } } };
    struct app_probe config = { .kind = "exchange", .steps = { steps, 2 } };
    struct app_probe_more more = { .close = PROBE_CLOSE_RST };
    struct target target;

    open_target(&target, "hi there", false);
    assert_int_equal(probe_it(&target, &config, &more).outcome, REASON_OK);
    assert_int_equal(hear_end(&target), -ECONNRESET);
    close_target(&target);
    more.close = PROBE_CLOSE_FIN;
    open_target(&target, "hi there", false);
    assert_int_equal(probe_it(&target, &config, &more).outcome, REASON_OK);
    assert_int_equal(hear_end(&target), 0);
    close_target(&target);
}

static void
a_banner_is_waited_for_and_read(void **state)
{
    struct app_probe config = { .kind = "tcp" };
    struct app_probe_more more = { .close = PROBE_CLOSE_BANNER };
    struct target target;
    struct found found;

    open_target(&target, "220 here\r\n", false);
    found = probe_it(&target, &config, &more);
    assert_int_equal(found.outcome, REASON_OK);
    assert_non_null(strstr(found.detail, "answered in "));
    assert_int_equal(hear_end(&target), 0);    /* no reset for unread bytes */
    close_target(&target);
}

static void
without_a_banner_it_fails(void **state)
{
    struct app_probe config = { .kind = "tcp", .timeout_ms = TIMEOUT_MS };
    struct app_probe_more more = { .close = PROBE_CLOSE_BANNER };
    struct target target;
    struct found found;

    open_target(&target, NULL, false);
    found = probe_it(&target, &config, &more);
    assert_int_equal(found.outcome, REASON_READ_TIMEOUT);
    assert_string_equal(found.detail, "after 0.2 s it has not greeted");
    close_target(&target);
    config.timeout_ms = LONG_MS;
    open_target(&target, NULL, true);
    assert_int_equal(probe_it(&target, &config, &more).outcome, REASON_UNEXPECTED_EOF);
    close_target(&target);
}

/* Where nothing was expected the greeting still is; where something was, that is it. */
static void
an_exchange_may_end_with_a_banner(void **state)
{
    struct app_step steps[] = { { STEP_SEND, 4, (char[]){ "bye\n" } },
                                { STEP_EXPECT, 2, (char[]){ "hi" } } };
    struct app_probe config = { .kind = "exchange", .timeout_ms = TIMEOUT_MS,
                                .steps = { steps, 1 } };
    struct app_probe_more more = { .close = PROBE_CLOSE_BANNER };
    struct target target;

    open_target(&target, NULL, false);
    assert_int_equal(probe_it(&target, &config, &more).outcome, REASON_READ_TIMEOUT);
    close_target(&target);
    config.timeout_ms = LONG_MS;
    for (config.steps.count = 1; config.steps.count <= 2; config.steps.count++) {
        open_target(&target, "hi", false);
        assert_int_equal(probe_it(&target, &config, &more).outcome, REASON_OK);
        close_target(&target);
    }
}

/* ---- the PROXY protocol: bytes as in haproxy's doc/proxy-protocol.txt ---- */

static const struct {
    uint32_t version;
    size_t length;
    const char *bytes;
} headers[] = {
    { PROBE_PROXY_OFF, 0, "" },
    { PROBE_PROXY_V1, 15, "PROXY UNKNOWN\r\n" },
    { PROBE_PROXY_V2, 16,
      "\x0D\x0A\x0D\x0A\x00\x0D\x0A\x51\x55\x49\x54\x0A\x20\x00\x00\x00" },
};

static void
a_header_is_the_first_that_the_target_hears(void **state)
{
    struct app_step steps[] = { { STEP_SEND, 4, (char[]){ "ping" } } };

    for (size_t i = 0; i < ARRAY_SIZE(headers) * 2; i++) {
        const size_t length = headers[i / 2].length, said = i % 2 * 4;
        struct app_probe config = { .kind = "exchange", .steps = { steps, i % 2 } };
        struct app_probe_more more = { .proxy_protocol = headers[i / 2].version };
        struct target target;
        char bytes[64] = "";
        size_t heard;

        open_target(&target, NULL, false);
        assert_int_equal(probe_it(&target, &config, &more).outcome, REASON_OK);
        assert_int_equal(hear(&target, bytes, sizeof bytes, &heard), 0);
        assert_int_equal(heard, length + said);
        assert_memory_equal(bytes, headers[i / 2].bytes, length);
        assert_memory_equal(bytes + length, "ping", said);
        close_target(&target);
    }
}

/* The header is said, so the target has to see the connection. */
static void
a_header_and_a_reset(void **state)
{
    struct app_probe config = { .kind = "tcp" };
    struct app_probe_more more = { .close = PROBE_CLOSE_RST, .proxy_protocol = PROBE_PROXY_V2 };
    struct target target;

    open_target(&target, NULL, false);
    assert_int_equal(probe_it(&target, &config, &more).outcome, REASON_OK);
    assert_int_equal(hear_end(&target), -ECONNRESET);
    close_target(&target);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fin_is_the_end_as_ever),
        cmocka_unit_test(rst_comes_before_the_target_learns_of_it),
        cmocka_unit_test(rst_ends_what_was_said),
        cmocka_unit_test(a_banner_is_waited_for_and_read),
        cmocka_unit_test(without_a_banner_it_fails),
        cmocka_unit_test(an_exchange_may_end_with_a_banner),
        cmocka_unit_test(a_header_is_the_first_that_the_target_hears),
        cmocka_unit_test(a_header_and_a_reset),
    };

    return cmocka_run_group_tests_name("probe_close", tests, NULL, NULL);
}
