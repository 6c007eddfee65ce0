/* Many connections that do random things through the real worker: sizes from nothing to 1 MB,
 * pauses, FIN, RST and close at any moment, while endpoints come and go and the board grows.
 * Every byte is checked; at the end nothing may be left in the worker. FPROXY_SEED picks another
 * course of events. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/util.h"
#include "config/app.h"
#include "tests/unit/worker_rig.h"

enum {
    SESSIONS = 1500,
    AT_ONCE = 100,
    LIMIT_MS = 90000,       /* for all of them; a few seconds are usual */
    STEP_BYTES = 60000,
    PATTERN = 65521,        /* prime: no offset looks like another one */
};

enum plan { THEN_FIN, THEN_RST, THEN_CLOSE };

/* One end of a session: 0 the client's, 1 the target's. */
struct peer {
    int fd;                 /* -1: not yet, or closed */
    enum plan plan;         /* after `bytes` were sent */
    uint32_t bytes;
    uint32_t sent, got;
    bool open, fin, eof;
    uint64_t rests_until_ms;
};

struct session {
    struct peer peer[2];
    bool begun;
};

/* A target's socket whose session is not known before its first bytes. */
struct stranger {
    int fd;
    unsigned char head[4];
    uint32_t have;
};

static struct rig rig;
static int listeners[2], refusing;
static uint16_t ports[3];
static struct session sessions[SESSIONS];
static struct stranger strangers[2 * AT_ONCE];
static unsigned stranger_count, begun, running;
static unsigned char pattern[PATTERN + STEP_BYTES];
static uint64_t random_state;
static unsigned long aborted_before;
static bool grows;              /* the board does, half way */

static uint32_t
random_below(uint32_t limit)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((random_state >> 33) % limit);
}

/* What the stream of this peer has at `offset`. */
static const unsigned char *
stream(unsigned number, unsigned side, uint32_t offset)
{
    return pattern + (offset + number * 769u + side * 30011u) % PATTERN;
}

/* ---- one peer ---- */

static void
peer_close(struct session *session, unsigned side, bool reset)
{
    const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
    struct peer *peer = &session->peer[side];

    if (reset)
        setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(peer->fd);
    peer->fd = -1;
    peer->open = false;
    if (session->peer[!side].fd >= 0)
        return;
    running--;
}

/* How often the kernel itself has reset connections for want of memory: not the worker's doing,
 * but all programs of the machine share that memory. */
static unsigned long
aborted_on_memory(void)
{
    static char names[16384], values[16384];
    char *name, *value, *next_name = names, *next_value = values;
    FILE *file = fopen("/proc/net/netstat", "re");

    if (file == NULL || fgets(names, sizeof names, file) == NULL ||
        fgets(values, sizeof values, file) == NULL)
        names[0] = '\0';
    if (file != NULL)
        fclose(file);
    while ((name = strsep(&next_name, " ")) != NULL &&
           (value = strsep(&next_value, " ")) != NULL) {
        if (strcmp(name, "TCPAbortOnMemory") == 0)
            return strtoul(value, NULL, 10);
    }
    return 0;
}

static void
print_ends(const struct session *session)
{
    struct traffic_totals sum;

    for (int i = 0; i < 2; i++)
        print_error("end %d: plan %d, %u bytes, %u sent, %u got, fin %d, eof %d\n", i,
                    (int)session->peer[i].plan, session->peer[i].bytes, session->peer[i].sent,
                    session->peer[i].got, session->peer[i].fin, session->peer[i].eof);
    traffic_sum(rig.traffic, &sum);
    for (int i = 0; i < CLOSE_REASONS; i++)
        print_error("%s: %lu\n", traffic_close_reason_name((enum close_reason)i),
                    (unsigned long)sum.closed[i]);
    print_error("reset by the kernel for want of memory: %lu\n",
                aborted_on_memory() - aborted_before);
}

/* An error is right only when the other end was rude. */
static void
peer_failed(struct session *session, unsigned side, const char *what)
{
    const char *why = strerror(errno);

    if (session->peer[!side].plan == THEN_FIN) {
        print_ends(session);
        fail_msg("session %u, end %u: %s: %s", (unsigned)(session - sessions), side, what, why);
    }
    peer_close(session, side, false);
}

static void
peer_sent_all(struct session *session, unsigned side)
{
    struct peer *peer = &session->peer[side];

    if (peer->plan != THEN_FIN) {
        peer_close(session, side, peer->plan == THEN_RST);
        return;
    }
    if (shutdown(peer->fd, SHUT_WR) < 0) {
        peer_failed(session, side, "shutdown");
        return;
    }
    peer->fin = true;
    if (peer->eof)
        peer_close(session, side, false);
}

static void
peer_send(struct session *session, unsigned side)
{
    struct peer *peer = &session->peer[side];
    unsigned number = (unsigned)(session - sessions);
    uint32_t most = 1 + random_below(STEP_BYTES);
    ssize_t sent = send(peer->fd, stream(number, side, peer->sent),
                        MIN(most, peer->bytes - peer->sent), MSG_NOSIGNAL | MSG_DONTWAIT);

    if (sent < 0 && errno != EAGAIN) {
        peer_failed(session, side, "send");
        return;
    }
    peer->sent += sent > 0 ? (uint32_t)sent : 0;
    if (peer->sent == peer->bytes)
        peer_sent_all(session, side);
}

static void
peer_receive(struct session *session, unsigned side)
{
    static unsigned char buffer[STEP_BYTES];
    struct peer *peer = &session->peer[side];
    const struct peer *other = &session->peer[!side];
    unsigned number = (unsigned)(session - sessions);
    ssize_t got = recv(peer->fd, buffer, 1 + random_below(STEP_BYTES), MSG_DONTWAIT);

    if (got < 0 && errno == EAGAIN)
        return;
    if (got < 0) {
        peer_failed(session, side, "recv");
        return;
    }
    assert_memory_equal(buffer, stream(number, !side, peer->got), got);
    peer->got += (uint32_t)got;
    assert_true(peer->got <= other->bytes);
    if (random_below(20) == 0)
        peer->rests_until_ms = clock_monotonic_ms() + random_below(60);
    if (got > 0)
        return;
    assert_int_not_equal(other->plan, THEN_RST);        /* a cut stream never looks whole */
    assert_int_equal(peer->got, other->bytes);
    peer->eof = true;
    if (peer->fin)
        peer_close(session, side, false);
}

/* ---- sessions ---- */

static void
plan(struct peer *peer)
{
    static const uint32_t sizes[] = { 1, 100, 5000, 70000, 1 << 20 };
    uint32_t dice = random_below(20);

    memset(peer, 0, sizeof *peer);
    peer->fd = -1;
    peer->bytes = random_below(sizes[random_below(ARRAY_SIZE(sizes))]);
    peer->plan = dice < 14 ? THEN_FIN : dice < 17 ? THEN_RST : THEN_CLOSE;
}

static void
begin_session(void)
{
    struct session *session = &sessions[begun];
    unsigned char head[4] = { (unsigned char)(begun >> 8), (unsigned char)begun, 0x5a, 0xa5 };

    plan(&session->peer[0]);
    plan(&session->peer[1]);
    begun++;
    running++;
    session->peer[0].fd = rig_connect(rig.port);
    session->peer[0].open = true;
    assert_int_equal(send(session->peer[0].fd, head, sizeof head, MSG_NOSIGNAL), sizeof head);
}

static void
accept_strangers(int listener)
{
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        assert_true(stranger_count < ARRAY_SIZE(strangers));
        strangers[stranger_count++] = (struct stranger){ .fd = fd };
    }
}

/* True: it is a stranger no more, or gone. */
static bool
meet(struct stranger *stranger)
{
    ssize_t got = recv(stranger->fd, stranger->head + stranger->have, 4 - stranger->have,
                       MSG_DONTWAIT);
    struct session *session;
    unsigned number;

    if (got <= 0) {     /* its client was gone before it had said who it is */
        close(stranger->fd);
        return true;
    }
    stranger->have += (uint32_t)got;
    if (stranger->have < 4)
        return false;
    number = (unsigned)stranger->head[0] << 8 | stranger->head[1];
    assert_true(number < begun);
    session = &sessions[number];
    assert_false(session->begun);
    session->begun = true;
    session->peer[1].fd = stranger->fd;
    session->peer[1].open = true;
    if (session->peer[0].fd < 0)        /* counted as ended with its client: take it back */
        running++;
    return true;
}

/* ---- the loop ---- */

struct watched {
    struct session *session;    /* NULL: a stranger, or a listener */
    unsigned side;
};

static short
wanted(const struct peer *peer, uint64_t now_ms)
{
    short events = 0;

    if (peer->rests_until_ms > now_ms)
        return 0;
    if (!peer->eof)
        events |= POLLIN;
    if (!peer->fin)
        events |= POLLOUT;
    return events;
}

static void
turn(void)
{
    static struct pollfd polled[4 + 4 * AT_ONCE];
    static struct watched watched[ARRAY_SIZE(polled)];
    uint64_t now_ms = clock_monotonic_ms();
    unsigned count = 0, met = stranger_count;

    for (unsigned i = 0; i < 2; i++)
        polled[count++] = (struct pollfd){ .fd = listeners[i], .events = POLLIN };
    for (unsigned i = 0; i < stranger_count; i++)
        polled[count++] = (struct pollfd){ .fd = strangers[i].fd, .events = POLLIN };
    for (unsigned i = 0; i < 2 * begun; i++) {
        const struct peer *peer = &sessions[i / 2].peer[i % 2];

        if (!peer->open || wanted(peer, now_ms) == 0)
            continue;
        watched[count] = (struct watched){ &sessions[i / 2], i % 2 };
        polled[count++] = (struct pollfd){ .fd = peer->fd, .events = wanted(peer, now_ms) };
    }
    poll(polled, count, 5);
    for (unsigned i = 2 + met; i < count; i++) {
        struct peer *peer = &watched[i].session->peer[watched[i].side];

        if (peer->open && polled[i].revents & (POLLIN | POLLERR | POLLHUP) && !peer->eof)
            peer_receive(watched[i].session, watched[i].side);
        if (peer->open && polled[i].revents & (POLLOUT | POLLERR | POLLHUP) && !peer->fin)
            peer_send(watched[i].session, watched[i].side);
    }
    for (unsigned i = met; i-- > 0;) {
        if (polled[2 + i].revents != 0 && meet(&strangers[i]))
            strangers[i] = strangers[--stranger_count];
    }
    for (unsigned i = 0; i < 2; i++)
        accept_strangers(listeners[i]);
}

static void
run_sessions(void)
{
    uint64_t until_ms = clock_monotonic_ms() + LIMIT_MS;

    while (begun < SESSIONS || running > 0 || stranger_count > 0) {
        if (clock_monotonic_ms() > until_ms)
            fail_msg("%u sessions and %u strangers hang", running, stranger_count);
        for (int i = 0; i < 5 && begun < SESSIONS && running + stranger_count < AT_ONCE; i++)
            begin_session();
        turn();
        if (random_below(50) == 0)      /* which ones there are changes all the time */
            rig_publish(&rig, ports, 1 + random_below(3));
        if (grows && begun == SESSIONS / 2 && traffic_slots(rig.traffic) < 64)
            rig_send_board(&rig, 2, ports, 3);
    }
}

/* ---- what is left in the worker ---- */

static void
nothing_is_left(unsigned sockets_before)
{
    struct traffic_totals sum;
    uint64_t closed = 0;
    unsigned long ticks;

    for (int i = 0; i < 500; i++) {
        traffic_sum(rig.traffic, &sum);
        if (sum.active == 0 && sum.accepted == SESSIONS &&
            rig_sockets(&rig) == sockets_before)
            break;
        poll(NULL, 0, 10);
    }
    for (int i = 0; i < CLOSE_REASONS; i++)
        closed += sum.closed[i];
    assert_int_equal(sum.active, 0);
    assert_int_equal(sum.accepted, SESSIONS);
    assert_int_equal(closed, SESSIONS);
    assert_int_equal(sum.closed[CLOSE_LIMIT] + sum.closed[CLOSE_NO_TARGET], 0);
    assert_int_equal(rig_sockets(&rig), sockets_before);
    ticks = rig_cpu_ticks(&rig);
    poll(NULL, 0, 500);
    assert_true(rig_cpu_ticks(&rig) - ticks <= 5);       /* it does not spin */
}

static void
prepare(void)
{
    const char *seed = getenv("FPROXY_SEED");

    aborted_before = aborted_on_memory();
    random_state = seed != NULL ? strtoull(seed, NULL, 10) : 1;
    for (size_t i = 0; i < PATTERN; i++)
        pattern[i] = (unsigned char)random_below(256);
    memcpy(pattern + PATTERN, pattern, STEP_BYTES);
    begun = running = stranger_count = 0;
    memset(sessions, 0, sizeof sessions);
    for (int i = 0; i < 2; i++) {
        listeners[i] = rig_listen(&ports[2 * i]);
        listen(listeners[i], 1024);
        fcntl(listeners[i], F_SETFL, O_NONBLOCK);
    }
    refusing = rig_refusing_port(&ports[1]);
}

static void
finish(void)
{
    assert_int_equal(rig_stop(&rig, 5000), 0);
    rig_fini(&rig);
    close(listeners[0]);
    close(listeners[1]);
    close(refusing);
}

static void
every_byte_arrives_and_nothing_is_left(void **state)
{
    unsigned sockets;

    (void)state;
    prepare();
    grows = true;
    rig_start(&rig, RIG_THREADS_MAX, ports, 3, NULL);
    sockets = rig_sockets(&rig);
    run_sessions();
    nothing_is_left(sockets);
    finish();
}

static void
patient(struct app_config *app)
{
    app->connect_timeout_ms = LIMIT_MS;
}

/* Room for some twenty connections, while a hundred want one. */
static void
descriptors_that_run_out_only_make_clients_wait(void **state)
{
    struct rlimit limit = { 0, 0 };
    struct traffic_totals sum;
    unsigned sockets;

    (void)state;
    prepare();
    grows = false;      /* its descriptors could not be received */
    rig_start(&rig, RIG_THREADS_MAX, ports, 3, patient);
    sockets = rig_sockets(&rig);
    assert_int_equal(prlimit(rig.pid, RLIMIT_NOFILE, NULL, &limit), 0);
    limit.rlim_cur = sockets + 70;
    assert_int_equal(prlimit(rig.pid, RLIMIT_NOFILE, &limit, NULL), 0);
    run_sessions();
    nothing_is_left(sockets);
    traffic_sum(rig.traffic, &sum);
    assert_true(sum.accept_pauses > 0);
    finish();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_arrives_and_nothing_is_left),
        cmocka_unit_test(descriptors_that_run_out_only_make_clients_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
