/* worker_rig - see worker_rig.h. */
#include "base/control.h"
#include "tests/unit/worker_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/shared_file.h"
#include "config/app.h"

enum { SLOTS = 8, GROWN_SLOTS = 64 };

/* ---- sockets ---- */

/* `*port` 0: any, which is put there. `shared`: with SO_REUSEPORT. */
static int
bound_socket(uint16_t *port, int shared)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(*port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t bytes = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &shared, sizeof shared);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &bytes), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

static void
bound_waits(int fd)
{
    const struct timeval wait = { .tv_sec = RIG_WAIT_MS / 1000 };

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
}

int
rig_listen(uint16_t *port)
{
    int fd;

    *port = 0;
    fd = bound_socket(port, 0);
    assert_int_equal(listen(fd, 128), 0);
    bound_waits(fd);
    return fd;
}

int
rig_listen_shared(uint16_t *port)
{
    int fd = bound_socket(port, 1);

    assert_int_equal(listen(fd, 1024), 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

int
rig_refusing_port(uint16_t *port)
{
    *port = 0;
    return bound_socket(port, 0);
}

int
rig_accept(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

    assert_true(fd >= 0);
    bound_waits(fd);
    return fd;
}

int
rig_connect(uint16_t port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    bound_waits(fd);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* ---- messages ---- */

void
rig_order(struct rig *rig, enum control_type type, uint32_t count, const int *fds,
          unsigned fd_count)
{
    struct control_message message;

    memset(&message, 0, sizeof message);
    message.magic = CONTROL_MAGIC;
    message.type = type;
    if (type == CONTROL_STOP) {
        message.body.stop.deadline_ms = count;
    } else if (type != CONTROL_PING && type != CONTROL_PONG) {
        control_app_message(&message, type, "rig", 1);
        if (type == CONTROL_APP_SOCKETS)
            message.body.sockets.total = count;     /* all of port 0 */
        else
            message.body.app.count = count;
    }
    int rc = control_send(rig->control, &message, fds, fd_count);

    /* A worker that was told to stop may have ended already. */
    assert_true(rc == 0 || rc == -EPIPE);
}

bool
rig_receive(struct rig *rig, int wait_ms, struct control_message *message, int *fds,
            size_t *fd_count)
{
    struct pollfd poll_fd = { .fd = rig->control, .events = POLLIN };

    poll(&poll_fd, 1, wait_ms);
    return control_receive(rig->control, message, fds, fd_count) == 1;
}

void
rig_expect(struct rig *rig, enum control_type type, struct control_message *message)
{
    uint64_t until_ms = clock_monotonic_ms() + RIG_WAIT_MS;
    int fds[CONTROL_FDS_MAX];
    size_t fd_count;

    while (clock_monotonic_ms() < until_ms) {
        if (!rig_receive(rig, 1000, message, fds, &fd_count))
            continue;
        for (size_t i = 0; i < fd_count; i++)
            close(fds[i]);
        if (message->type == type)
            return;
    }
    fail_msg("no message of type %d came", (int)type);
}

/* ---- shared files ---- */

int
rig_shared(const struct rig *rig, const char *name, size_t bytes)
{
    int directory = open(rig->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = shared_file_create(directory, name, bytes);

    assert_true(fd >= 0);
    assert_int_equal(unlinkat(directory, name, 0), 0);
    close(directory);
    return fd;
}

void
rig_publish(struct rig *rig, const uint16_t *ports, unsigned count)
{
    struct available_endpoint endpoints[RIG_TARGETS_MAX] = { 0 };

    for (unsigned i = 0; i < count; i++) {
        address_parse_ip("127.0.0.1", ports[i], &endpoints[i].address);
        endpoints[i].id = i + 1;
        endpoints[i].slot = (uint16_t)i;
        endpoints[i].weight = 1;
        atomic_store(&board_pulse_writable(rig->board, i)->id, i + 1);
    }
    assert_int_equal(available_set_publish(board_available_writable(rig->board), endpoints,
                                           count, 0, clock_monotonic_ms()), 0);
}

/* Makes both files, keeps them mapped, and leaves descriptors for the worker in `fds`. */
static void
make_files(struct rig *rig, uint32_t number, uint32_t threads, uint32_t slots, int fds[2])
{
    int board = rig_shared(rig, "board", board_bytes(slots));

    assert_int_equal(board_format(board, "rig", number, 1, slots), 0);
    assert_int_equal(board_open(board, true, &rig->board), 0);
    fds[0] = shared_file_reopen_readonly(board);
    close(board);
    assert_true(fds[0] >= 0);
    fds[1] = rig_shared(rig, "traffic", traffic_bytes(threads, slots));
    assert_int_equal(traffic_format(fds[1], "rig", "rig", number, threads, slots), 0);
    assert_int_equal(traffic_open(fds[1], false, &rig->traffic), 0);
}

void
rig_send_board(struct rig *rig, uint32_t number, const uint16_t *ports, unsigned count)
{
    uint32_t threads = traffic_threads(rig->traffic);
    int fds[2];

    board_close(rig->board);
    traffic_close(rig->traffic);
    make_files(rig, number, threads, GROWN_SLOTS, fds);
    rig_publish(rig, ports, count);
    rig_order(rig, CONTROL_APP_BOARD, 0, fds, 2);
    close(fds[0]);
    close(fds[1]);
}

void
rig_grow(struct rig *rig, uint32_t number, const uint16_t *ports, unsigned count)
{
    struct control_message loaded;

    rig_send_board(rig, number, ports, count);
    rig_expect(rig, CONTROL_APP_LOADED, &loaded);
    assert_int_equal(loaded.body.app.result, 0);
    assert_int_equal(loaded.body.app.board_number, number);
}

/* ---- the process ---- */

/* Where a successor of the supervisor connects; relative to nothing long. */
static void
socket_address(const struct rig *rig, struct sockaddr_un *address)
{
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    snprintf(address->sun_path, sizeof address->sun_path, "%s/worker", rig->directory);
}

static int
bound_for_successors(const struct rig *rig)
{
    struct sockaddr_un address;
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    socket_address(rig, &address);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

void
rig_reconnect(struct rig *rig)
{
    struct sockaddr_un address;

    socket_address(rig, &address);
    if (rig->control >= 0)
        close(rig->control);
    rig->control = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    assert_true(rig->control >= 0);
    assert_int_equal(connect(rig->control, (struct sockaddr *)&address, sizeof address), 0);
}

void
rig_spawn(struct rig *rig)
{
    const char *binary = getenv("FPROXY_WORKER");
    int sockets[2], inherited[2];

    memset(rig, 0, sizeof *rig);
    for (unsigned i = 0; i < RIG_THREADS_MAX; i++)
        rig->listeners[i] = -1;
    snprintf(rig->directory, sizeof rig->directory, "/tmp/fproxy-rig-XXXXXX");
    assert_non_null(mkdtemp(rig->directory));
    assert_non_null(binary);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets), 0);
    inherited[0] = fcntl(sockets[1], F_DUPFD_CLOEXEC, 10);
    close(sockets[1]);
    sockets[1] = bound_for_successors(rig);
    inherited[1] = fcntl(sockets[1], F_DUPFD_CLOEXEC, 10);
    close(sockets[1]);
    rig->pid = fork();
    assert_true(rig->pid >= 0);
    if (rig->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);       /* a failed test leaves no worker behind */
        dup2(inherited[0], CONTROL_FD);
        dup2(inherited[1], CONTROL_LISTEN_FD);
        execl(binary, "fproxy-worker", "rig", (char *)NULL);
        _exit(127);
    }
    close(inherited[0]);
    close(inherited[1]);
    rig->control = sockets[0];
}

static int
config_text(unsigned threads, uint16_t port, void (*configure)(struct app_config *))
{
    struct app_config app;
    struct app_listen listen_at = { 0 };
    char name[] = "127.0.0.1:9", *text;
    struct app_target target = { .name = name, .port = 9 };
    int fd;

    app_config_defaults(&app);
    snprintf(app.name, sizeof app.name, "rig");
    address_parse_ip("127.0.0.1", port, &listen_at.address);
    address_parse_ip("127.0.0.1", 9, &target.address);
    app.ports = &listen_at;
    app.port_count = 1;
    app.targets = &target;
    app.target_count = 1;
    app.threads = threads;
    if (configure != NULL)
        configure(&app);
    text = app_config_print(&app);
    assert_non_null(text);
    fd = sealed_text_create("rig", text, strlen(text));
    assert_true(fd >= 0);
    free(text);
    return fd;
}

static void
open_listeners(struct rig *rig, unsigned threads)
{
    assert_true(threads <= RIG_THREADS_MAX);
    for (unsigned i = 0; i < threads; i++)
        rig->listeners[i] = rig_listen_shared(&rig->port);
}

void
rig_close_listeners(struct rig *rig)
{
    for (unsigned i = 0; i < RIG_THREADS_MAX; i++) {
        if (rig->listeners[i] >= 0)
            close(rig->listeners[i]);
        rig->listeners[i] = -1;
    }
}

void
rig_begin(struct rig *rig, unsigned threads, const uint16_t *ports, unsigned count,
          void (*configure)(struct app_config *app))
{
    int fds[3];

    rig_spawn(rig);
    open_listeners(rig, threads);
    fds[0] = config_text(threads, rig->port, configure);
    make_files(rig, 1, threads, SLOTS, fds + 1);
    rig_publish(rig, ports, count);
    rig_order(rig, CONTROL_APP_LOAD, 0, fds, 3);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    rig_order(rig, CONTROL_APP_SOCKETS, threads, rig->listeners, threads);
}

void
rig_start(struct rig *rig, unsigned threads, const uint16_t *ports, unsigned count,
          void (*configure)(struct app_config *app))
{
    struct control_message loaded;

    rig_begin(rig, threads, ports, count, configure);
    rig_order(rig, CONTROL_APP_COMMIT, 0, NULL, 0);
    rig_expect(rig, CONTROL_APP_LOADED, &loaded);
    assert_int_equal(loaded.body.app.result, 0);
    rig_order(rig, CONTROL_APP_ACCEPT, 0, NULL, 0);
    rig_expect(rig, CONTROL_APP_ACCEPTING, &loaded);
    assert_int_equal(loaded.body.app.result, 0);
}

static int
wait_for_end(struct rig *rig)
{
    uint64_t until_ms = clock_monotonic_ms() + RIG_WAIT_MS;
    struct control_message message;
    int fds[CONTROL_FDS_MAX], status;
    size_t fd_count;

    while (clock_monotonic_ms() < until_ms) {
        struct pollfd poll_fd = { .fd = rig->control, .events = POLLIN };

        poll(&poll_fd, 1, 1000);
        if (control_receive(rig->control, &message, fds, &fd_count) == 0) {
            assert_int_equal(waitpid(rig->pid, &status, 0), rig->pid);
            rig->pid = 0;
            return status;
        }
    }
    fail_msg("the worker did not end");
    return -1;
}

unsigned
rig_sockets(const struct rig *rig)
{
    char path[64], link[400], to[32];
    struct dirent *entry;
    unsigned count = 0;
    DIR *directory;

    snprintf(path, sizeof path, "/proc/%d/fd", (int)rig->pid);
    directory = opendir(path);
    assert_non_null(directory);
    while ((entry = readdir(directory)) != NULL) {
        ssize_t bytes;

        snprintf(link, sizeof link, "%s/%s", path, entry->d_name);
        bytes = readlink(link, to, sizeof to - 1);
        if (bytes > 7 && memcmp(to, "socket:", 7) == 0)
            count++;
    }
    closedir(directory);
    return count;
}

unsigned long
rig_cpu_ticks(const struct rig *rig)
{
    unsigned long user, system;
    char path[64], text[512];
    ssize_t bytes;
    int fd;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)rig->pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    bytes = read(fd, text, sizeof text - 1);
    close(fd);
    assert_true(bytes > 0);
    text[bytes] = '\0';
    assert_int_equal(sscanf(strrchr(text, ')') + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u "
                            "%*u %lu %lu", &user, &system), 2);
    return user + system;
}

int
rig_stop(struct rig *rig, uint32_t deadline_ms)
{
    rig_order(rig, CONTROL_STOP, deadline_ms, NULL, 0);
    return wait_for_end(rig);
}

void
rig_fini(struct rig *rig)
{
    struct sockaddr_un address;

    if (rig->pid > 0) {
        kill(rig->pid, SIGKILL);
        waitpid(rig->pid, NULL, 0);
    }
    board_close(rig->board);
    traffic_close(rig->traffic);
    rig_close_listeners(rig);
    if (rig->control >= 0)
        close(rig->control);
    socket_address(rig, &address);
    unlink(address.sun_path);
    rmdir(rig->directory);
}
