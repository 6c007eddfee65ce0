#include "prober_harness.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/control.h"
#include "base/shared_file.h"
#include "base/util.h"

static void
become_prober(int control, int listener)
{
    /* Neither may lie where the other has to go. */
    control = fcntl(control, F_DUPFD, CONTROL_LISTEN_FD + 1);
    listener = fcntl(listener, F_DUPFD, CONTROL_LISTEN_FD + 1);
    if (dup2(control, CONTROL_FD) < 0 || dup2(listener, CONTROL_LISTEN_FD) < 0)
        _exit(120);
    close(control);
    close(listener);
    execl(FPROXY_PROBER, "fproxy-prober", (char *)NULL);
    _exit(121);
}

static void
take(struct harness *harness, const struct control_message *message)
{
    switch (message->type) {
    case CONTROL_APP_HEALTH:
        harness->health = message->body.health;
        harness->health_count++;
        break;
    case CONTROL_APP_LOADED:
        harness->loaded = message->body.app;
        harness->loaded_count++;
        break;
    case CONTROL_APP_GROW:
        harness->grow = message->body.app;
        harness->grow_count++;
        break;
    case CONTROL_PONG:
        harness->pong_count++;
        break;
    case CONTROL_RECORD:
        if (harness->records_ignored)
            break;
        assert_true(harness->record_count < HARNESS_RECORDS_MAX);
        harness->records[harness->record_count++] = message->body.record;
        break;
    case CONTROL_HELLO:
        assert_int_equal(message->body.hello.role, CONTROL_PROBER);
        assert_int_equal(message->body.hello.pid, harness->pid);
        assert_int_equal(message->body.hello.protocol, CONTROL_PROTOCOL);
        assert_string_not_equal(message->body.hello.version, "");
        harness->hello_count++;
        break;
    case CONTROL_REPORT_END:
        harness->report_end_count++;
        break;
    default:
        fail_msg("a message of type %u from the prober", message->type);
    }
}

static void
take_report(struct harness *harness, const struct control_app *app, int fd)
{
    char *text;
    size_t bytes;

    assert_int_equal(sealed_text_read(fd, APP_TEXT_BYTES_MAX, &text, &bytes), 0);
    close(fd);
    if (harness->report_count < HARNESS_REPORTS_MAX) {
        harness->reports[harness->report_count] = *app;
        harness->report_texts[harness->report_count] = text;
        text = NULL;
    }
    harness->report_count++;
    free(text);
}

/* False when nothing came for `wait_ms`. */
static bool
read_one(struct harness *harness, int wait_ms)
{
    struct pollfd poll_fd = { .fd = harness->control, .events = POLLIN };
    struct control_message message;
    int fds[CONTROL_FDS_MAX];
    size_t fd_count;

    if (poll(&poll_fd, 1, wait_ms) <= 0)
        return false;
    assert_int_equal(control_receive(harness->control, &message, fds, &fd_count), 1);
    assert_int_equal(fd_count, message.type == CONTROL_REPORT_APP);
    if (message.type == CONTROL_REPORT_APP)
        take_report(harness, &message.body.app, fds[0]);
    else
        take(harness, &message);
    return true;
}

void
harness_wait(struct harness *harness, harness_ready_fn *ready, const void *context)
{
    uint64_t end_ms = clock_monotonic_ms() + HARNESS_WAIT_MS;

    while (!ready(harness, context)) {
        if (clock_monotonic_ms() > end_ms)
            fail_msg("waited %d ms in vain", HARNESS_WAIT_MS);
        read_one(harness, 10);
    }
}

void
harness_read_for(struct harness *harness, uint32_t ms)
{
    uint64_t end_ms = clock_monotonic_ms() + ms;

    while (clock_monotonic_ms() < end_ms)
        read_one(harness, 10);
}

void
harness_send(struct harness *harness, const struct control_message *message, int fd1, int fd2)
{
    int fds[2] = { fd1, fd2 };
    size_t count = (fd1 >= 0) + (fd2 >= 0);

    assert_int_equal(control_send(harness->control, message, fds, count), 0);
}

static void
send_text(struct harness *harness, enum control_type type, const void *data, size_t bytes)
{
    struct control_message message = { .magic = CONTROL_MAGIC, .type = type };
    int fd = sealed_text_create("test", data, bytes);

    assert_true(fd >= 0);
    harness_send(harness, &message, fd, -1);
    close(fd);
}

static struct sockaddr_un
successor_address(const struct harness *harness)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    snprintf(address.sun_path, sizeof address.sun_path, "%s/prober", harness->dir_path);
    return address;
}

static void
bind_listener(struct harness *harness)
{
    struct sockaddr_un address = successor_address(harness);

    unlink(address.sun_path);
    harness->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    assert_true(harness->listener >= 0);
    assert_int_equal(bind(harness->listener, (struct sockaddr *)&address, sizeof address), 0);
}

static void
start_process(struct harness *harness, const struct settings *settings)
{
    char *text = settings_print(settings);
    int pair[2];

    assert_non_null(text);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    bind_listener(harness);
    harness->pid = fork();
    assert_true(harness->pid >= 0);
    if (harness->pid == 0)
        become_prober(pair[1], harness->listener);
    close(harness->listener);
    close(pair[1]);
    harness->control = pair[0];
    send_text(harness, CONTROL_SETTINGS, text, strlen(text));
    free(text);
}

struct harness *
harness_start(const struct settings *settings)
{
    struct harness *harness = calloc(1, sizeof *harness);

    assert_non_null(harness);
    harness->board_fd = harness->traffic_fd = -1;
    snprintf(harness->dir_path, sizeof harness->dir_path, "/tmp/fproxy-test-XXXXXX");
    assert_non_null(mkdtemp(harness->dir_path));
    harness->dir = open(harness->dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(harness->dir >= 0);
    start_process(harness, settings);
    return harness;
}

void
harness_replace(struct harness *harness, const struct settings *settings)
{
    int status;

    kill(harness->pid, SIGKILL);
    assert_int_equal(waitpid(harness->pid, &status, 0), harness->pid);
    assert_true(WIFSIGNALED(status));
    harness_leave(harness);
    start_process(harness, settings);
}

void
harness_leave(struct harness *harness)
{
    if (harness->control >= 0)
        close(harness->control);
    harness->control = -1;
}

int
harness_succeed(struct harness *harness)
{
    struct sockaddr_un address = successor_address(harness);
    int before = harness->control;

    harness->control = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    assert_true(harness->control >= 0);
    assert_int_equal(
        connect(harness->control, (struct sockaddr *)&address, sizeof address), 0);
    return before;
}

void
harness_stop(struct harness *harness)
{
    struct control_message message = { .magic = CONTROL_MAGIC, .type = CONTROL_STOP };
    int status;

    if (harness->control >= 0)
        harness_send(harness, &message, -1, -1);
    else
        kill(harness->pid, SIGTERM);
    assert_int_equal(waitpid(harness->pid, &status, 0), harness->pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    if (harness->control >= 0)
        close(harness->control);
    traffic_close(harness->traffic);
    if (harness->board_fd >= 0)
        close(harness->board_fd);
    if (harness->traffic_fd >= 0)
        close(harness->traffic_fd);
    for (size_t i = 0; i < ARRAY_SIZE(harness->report_texts); i++)
        free(harness->report_texts[i]);
    unlinkat(harness->dir, "prober", 0);
    close(harness->dir);
    rmdir(harness->dir_path);
    free(harness);
}

void
harness_seed(struct harness *harness, const struct record *records, size_t count)
{
    send_text(harness, CONTROL_SEED, records, count * sizeof *records);
}

static bool
is_loaded(const struct harness *harness, const void *context)
{
    return harness->loaded_count > *(const uint32_t *)context;
}

static int
make_page(const struct harness *harness, const char *name, size_t bytes)
{
    int fd = shared_file_create(harness->dir, name, bytes);

    assert_true(fd >= 0);
    unlinkat(harness->dir, name, 0);
    return fd;
}

/* A traffic page of two threads, in place of the last one; a descriptor to read it, not the
 * caller's. */
static int
make_traffic(struct harness *harness, const struct control_app *app, uint32_t slots)
{
    int reader, fd = make_page(harness, "traffic", traffic_bytes(2, slots));

    assert_int_equal(traffic_format(fd, app->app, app->app, app->board_number, 2, slots), 0);
    traffic_close(harness->traffic);
    assert_int_equal(traffic_open(fd, true, &harness->traffic), 0);
    reader = shared_file_reopen_readonly(fd);
    assert_true(reader >= 0);
    close(fd);
    if (harness->traffic_fd >= 0)
        close(harness->traffic_fd);
    harness->traffic_fd = reader;
    return reader;
}

/* Sends `message` with those descriptors that are not negative, and waits for the answer. */
static void
send_and_wait(struct harness *harness, const struct control_message *message, int text_fd,
              int board_fd, int traffic_fd)
{
    const struct control_app *app = &message->body.app;
    uint32_t before = harness->loaded_count;
    int fds[3];
    size_t count = 0;

    if (text_fd >= 0)
        fds[count++] = text_fd;
    fds[count++] = board_fd;
    if (traffic_fd >= 0)
        fds[count++] = traffic_fd;
    assert_int_equal(control_send(harness->control, message, fds, count), 0);
    harness_wait(harness, is_loaded, &before);
    assert_string_equal(harness->loaded.detail, "");
    assert_int_equal(harness->loaded.result, 0);
    assert_int_equal(harness->loaded.generation, app->generation);
    assert_int_equal(harness->loaded.board_number, app->board_number);
}

/* Makes a board, sends `message` with it (and `text_fd` before it) and waits for the answer. */
static struct board *
send_board(struct harness *harness, struct control_message *message, int text_fd,
           uint32_t slots)
{
    struct control_app *app = &message->body.app;
    int traffic_fd = harness->with_traffic ? make_traffic(harness, app, slots) : -1;
    struct board *board;
    char name[BOARD_NAME_BYTES];
    int fd;

    board_file_name(app->app, app->board_number, name);
    fd = make_page(harness, name, board_bytes(slots));
    assert_int_equal(board_format(fd, app->app, app->board_number, app->generation, slots), 0);
    send_and_wait(harness, message, text_fd, fd, traffic_fd);
    assert_int_equal(board_open(fd, false, &board), 0);
    if (harness->board_fd >= 0)
        close(harness->board_fd);
    harness->board_fd = fd;
    return board;
}

static int
text_of(const struct app_config *app)
{
    char *text = app_config_print(app);
    int fd;

    assert_non_null(text);
    fd = sealed_text_create("app", text, strlen(text));
    assert_true(fd >= 0);
    free(text);
    return fd;
}

void
harness_load_again(struct harness *harness, const struct app_config *app, uint32_t generation,
                   uint32_t board_number)
{
    struct control_message message;
    int fd = text_of(app);

    assert_true(harness->board_fd >= 0);
    control_app_message(&message, CONTROL_APP_LOAD, app->name, generation);
    message.body.app.board_number = board_number;
    send_and_wait(harness, &message, fd, harness->board_fd, harness->traffic_fd);
    close(fd);
}

struct board *
harness_load(struct harness *harness, const struct app_config *app, uint32_t generation,
             uint32_t board_number, uint32_t slots)
{
    struct control_message message;
    struct board *board;
    int fd = text_of(app);

    control_app_message(&message, CONTROL_APP_LOAD, app->name, generation);
    message.body.app.board_number = board_number;
    board = send_board(harness, &message, fd, slots);
    close(fd);
    return board;
}

struct board *
harness_grow(struct harness *harness, const char *app, uint32_t generation,
             uint32_t board_number, uint32_t slots)
{
    struct control_message message;

    control_app_message(&message, CONTROL_APP_BOARD, app, generation);
    message.body.app.board_number = board_number;
    return send_board(harness, &message, -1, slots);
}

void
harness_renew_traffic(struct harness *harness, const struct board *board)
{
    struct control_message message;
    int board_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);     /* not looked at again */
    int traffic_fd;

    assert_true(board_fd >= 0);
    control_app_message(&message, CONTROL_APP_BOARD, board_app(board), board_generation(board));
    message.body.app.board_number = board_number(board);
    traffic_fd = make_traffic(harness, &message.body.app, board_slots(board));
    send_and_wait(harness, &message, -1, board_fd, traffic_fd);
    close(board_fd);
}

void
harness_unload(struct harness *harness, const char *app, uint32_t generation)
{
    struct control_message message;

    control_app_message(&message, CONTROL_APP_UNLOAD, app, generation);
    harness_send(harness, &message, -1, -1);
}

uint32_t
harness_records(const struct harness *harness, enum record_kind kind, const char *address)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < harness->record_count; i++) {
        const struct record *record = &harness->records[i];

        count += record->kind == kind &&
                 (address == NULL || strcmp(record->address, address) == 0);
    }
    return count;
}

const struct record *
harness_record(const struct harness *harness, enum record_kind kind, const char *address)
{
    for (uint32_t i = harness->record_count; i > 0; i--) {
        const struct record *record = &harness->records[i - 1];

        if (record->kind == kind && (address == NULL || strcmp(record->address, address) == 0))
            return record;
    }
    return NULL;
}

bool
harness_detail(const struct board *board, const char *target, const char *address,
               struct board_detail *detail)
{
    char text[ADDRESS_TEXT_BYTES];

    for (uint32_t slot = 0; slot < board_slots(board); slot++) {
        if (board_detail(board, slot, detail) && strcmp(detail->target, target) == 0 &&
            strcmp(address_format(&detail->address, text), address) == 0)
            return true;
    }
    return false;
}

const char *
harness_published(const struct board *board, char *text, size_t bytes)
{
    const struct available_set *set = board_available(board);
    struct available_snapshot *snapshot =
        calloc(1, available_snapshot_bytes(available_set_endpoints_max(set)));
    char address[ADDRESS_TEXT_BYTES];
    size_t at = 0;

    assert_non_null(snapshot);
    available_set_copy(set, snapshot);
    at += (size_t)snprintf(text, bytes, "%s",
                           snapshot->flags & AVAILABLE_PANIC ? "panic " : "");
    for (uint32_t i = 0; i < snapshot->count && at < bytes; i++)
        at += (size_t)snprintf(text + at, bytes - at, "%s%s", i > 0 ? " " : "",
                               address_format(&snapshot->endpoints[i].address, address));
    free(snapshot);
    return text;
}

void
harness_app(struct app_config *app, const char *name, const char *const *targets,
            uint32_t count)
{
    const char *why;

    app_config_defaults(app);
    snprintf(app->name, sizeof app->name, "%s", name);
    app->ports = calloc(1, sizeof *app->ports);
    app->targets = calloc(count, sizeof *app->targets);
    assert_non_null(app->ports);
    assert_non_null(app->targets);
    app->ports[0].address.port = 1;
    app->port_count = 1;
    app->target_count = count;
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(app_target_init(&app->targets[i], targets[i], &why), 0);
    app->probe.interval_ms = 200;
    app->probe.timeout_ms = 200;
}

int
harness_listen(const char *ip, uint16_t *port, int backlog)
{
    struct sockaddr_storage storage;
    struct address address;
    socklen_t bytes;
    const int on = 1;
    int fd;

    assert_int_equal(address_parse_ip(ip, *port, &address), 0);
    bytes = address_to_sockaddr(&address, &storage);
    fd = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    assert_int_equal(bind(fd, (struct sockaddr *)&storage, bytes), 0);
    if (backlog >= 0)
        assert_int_equal(listen(fd, backlog), 0);
    bytes = sizeof storage;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&storage, &bytes), 0);
    assert_int_equal(address_from_sockaddr((struct sockaddr *)&storage, &address), 0);
    *port = address.port;
    return fd;
}

void
harness_black_hole(uint16_t *port, int *fds)
{
    struct sockaddr_storage storage;
    struct address address;
    socklen_t bytes;

    *port = 0;
    fds[0] = harness_listen("127.0.0.1", port, 0);
    address_parse_ip("127.0.0.1", *port, &address);
    bytes = address_to_sockaddr(&address, &storage);
    /* One fits into a queue of length 0; the next two are never answered. */
    for (int i = 1; i < 4; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        assert_true(fds[i] >= 0);
        connect(fds[i], (struct sockaddr *)&storage, bytes);
    }
}
