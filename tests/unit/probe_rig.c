#include "probe_rig.h"

#include <event2/event.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "probes/probe_module.h"

int
rig_listen(struct address *address)
{
    struct sockaddr_storage storage;
    socklen_t bytes;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
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
start_target(int listener, rig_serve_fn *serve)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        int client;

        signal(SIGPIPE, SIG_IGN);
        client = accept(listener, NULL, NULL);
        serve(client);
        _exit(0);
    }
    return pid;
}

/* It ends when it sees that we have gone; one that does not is a failure. */
static void
end_target(pid_t pid)
{
    uint64_t until_ms = clock_monotonic_ms() + 5000;
    pid_t ended;

    while ((ended = waitpid(pid, NULL, WNOHANG)) == 0 && clock_monotonic_ms() < until_ms)
        poll(NULL, 0, 1);
    if (ended != pid) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        fail_msg("the connection of the probe is not closed");
    }
}

static void
on_done(struct probe *probe, const struct probe_result *result)
{
    struct rig_result *heard = probe->context;

    heard->outcome = result->outcome;
    heard->warning = result->warning;
    heard->connect_us = result->connect_us;
    snprintf(heard->detail, sizeof heard->detail, "%s", result->detail);
    event_base_loopbreak(probe->base);
}

static void
on_told(void *context, const char *what, const void *bytes, size_t length)
{
    struct rig_result *heard = context;
    size_t at = strlen(heard->told);

    snprintf(heard->told + at, sizeof heard->told - at, "%s %.*s|", what, (int)length,
             bytes == NULL ? "" : (const char *)bytes);
}

void
rig_init(struct rig_probe *probe, const char *kind)
{
    *probe = (struct rig_probe){ .config = { .timeout_ms = RIG_TIMEOUT_MS },
                                 .more = app_probe_more_defaults };
    snprintf(probe->config.kind, sizeof probe->config.kind, "%s", kind);
}

const struct probe_ops *
rig_find(const char *kind)
{
    const struct probe_ops *ops;
    char why[DETAIL_BYTES];

    probe_module_linked(&fproxy_probe_module);
    ops = probe_find(kind, why);
    if (ops == NULL)
        fail_msg("%s: %s", kind, why);
    return ops;
}

int
rig_prepare(const struct rig_probe *rig, char why[DETAIL_BYTES])
{
    struct app_probe config = rig->config;
    struct app_probe_more more = rig->more;
    const struct probe_ops *ops = rig_find(config.kind);
    struct event_base *base = event_base_new();
    void *shared;
    int rc;

    config.more = &more;
    rc = ops->prepare(&config, base, &shared, why);
    if (rc == 0)
        ops->release(shared);
    event_base_free(base);
    return rc;
}

struct rig_result
rig_run(const struct rig_probe *rig, const char *target, rig_serve_fn *serve)
{
    struct app_probe config = rig->config;
    struct app_probe_more more = rig->more;
    const struct probe_ops *ops = rig_find(config.kind);
    struct event_base *base = event_base_new();
    struct rig_result heard = { .outcome = REASON_NONE };
    uint64_t begin_ms = clock_monotonic_ms();
    struct address address;
    struct probe probe;
    char why[DETAIL_BYTES];
    int listener = rig_listen(&address);
    pid_t pid = serve == NULL ? 0 : start_target(listener, serve);

    close(listener);
    config.more = &more;
    probe_init(&probe, ops, base, &address);
    assert_int_equal(ops->prepare(&config, base, &probe.shared, why), 0);
    probe.config = &config;
    probe.target = target;
    probe.on_done = on_done;
    probe.context = &heard;
    probe.trace = on_told;
    probe.trace_context = &heard;
    assert_int_equal(probe_start(&probe), 0);
    assert_int_equal(heard.outcome, REASON_NONE);       /* never from inside */
    event_base_dispatch(base);
    heard.took_ms = (uint32_t)(clock_monotonic_ms() - begin_ms);
    probe_fini(&probe);
    ops->release(probe.shared);
    event_base_free(base);
    if (pid != 0)
        end_target(pid);
    return heard;
}

void
rig_send(int client, const void *bytes, size_t count)
{
    ssize_t sent = send(client, bytes, count, MSG_NOSIGNAL);

    (void)sent;
}

void
rig_say(int client, const char *text)
{
    rig_send(client, text, strlen(text));
}

void
rig_drain(int client)
{
    char bytes[4096];

    while (recv(client, bytes, sizeof bytes, 0) > 0)
        continue;
}

const char *
rig_read_request(int client)
{
    static char text[4096];
    size_t at = 0;
    ssize_t heard;

    do {
        heard = recv(client, text + at, sizeof text - 1 - at, 0);
        at += heard > 0 ? (size_t)heard : 0;
        text[at] = '\0';
    } while (heard > 0 && strstr(text, "\r\n\r\n") == NULL);
    return text;
}
