/* worker - see worker.h. */
#include "proxy/worker/worker.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/control.h"
#include "base/control_peer.h"
#include "base/log.h"
#include "base/shared_file.h"
#include "base/util.h"
#include "config/settings.h"
#include "proxy/worker/hosted.h"
#include "proxy/worker/thread.h"

enum {
    SETTINGS_BYTES_MAX = 1 << 16,
    DESCRIPTORS_RESERVED = 64,      /* control, boards, logs, libc */
    PIPES_MAX = 256,                /* a thread; x PIPE_BYTES of kernel memory at most */
};

struct worker {
    const char *name;
    struct event_base *base;
    struct control_peer *peer;      /* NULL: the supervisor is gone */
    struct event *term_event, *reply_event;
    int reply_fd;
    struct mailbox replies;
    struct thread *threads[APP_THREADS_MAX];
    uint32_t thread_count;
    uint32_t exits_waiting;
    bool stopping;
    LIST_HEAD(, hosted) apps;
};

static struct hosted *
find(struct worker *worker, const char *name, uint32_t generation)
{
    struct hosted *hosted;

    LIST_FOREACH(hosted, &worker->apps, link) {
        if (strcmp(hosted->app.name, name) == 0 && hosted->app.generation == generation)
            return hosted;
    }
    return NULL;
}

static void
tell(struct worker *worker, enum control_type type, const struct hosted *hosted,
     uint32_t board, int result, const char *detail)
{
    struct control_message message;
    int rc;

    if (worker->peer == NULL)
        return;
    control_app_message(&message, type, hosted->app.name, hosted->app.generation);
    message.body.app.board_number = board;
    message.body.app.result = result;
    message.body.app.count = hosted->app.listen_count;
    snprintf(message.body.app.detail, sizeof message.body.app.detail, "%s", detail);
    rc = control_peer_send(worker->peer, &message, NULL, 0);
    if (rc != 0)
        log_error(hosted->app.name, "the supervisor cannot be told: %s", strerror(-rc));
}

/* ---- orders to the threads ---- */

/* One command for each thread; their replies are counted in hosted->waiting. */
static int
order(struct worker *worker, struct hosted *hosted, enum command_type type, uint32_t deadline_ms)
{
    struct command *commands[APP_THREADS_MAX];
    uint32_t made = 0;

    while (made < worker->thread_count) {
        commands[made] = calloc(1, sizeof *commands[made]);
        if (commands[made] == NULL)
            goto fail;
        made++;
    }
    hosted->result[type] = 0;
    for (uint32_t i = 0; i < made; i++) {
        commands[i]->type = type;
        commands[i]->app = &hosted->app;
        commands[i]->board = hosted->next_board != NULL ? hosted->next_board : hosted->board;
        commands[i]->traffic =
            hosted->next_traffic != NULL ? hosted->next_traffic : hosted->traffic;
        commands[i]->deadline_ms = deadline_ms;
        hosted->waiting[type]++;
        thread_post(worker->threads[i], commands[i]);
    }
    return 0;

fail:
    while (made > 0)
        free(commands[--made]);
    return -ENOMEM;
}

static void
exit_threads(struct worker *worker)
{
    for (uint32_t i = 0; i < worker->thread_count; i++) {
        struct command *command = calloc(1, sizeof *command);

        if (command == NULL)
            _exit(1);   /* nothing is left to lose: every app has drained */
        command->type = COMMAND_EXIT;
        worker->exits_waiting++;
        thread_post(worker->threads[i], command);
    }
    if (worker->thread_count == 0)
        event_base_loopbreak(worker->base);
}

static void
app_gone(struct worker *worker, struct hosted *hosted)
{
    log_info(hosted->app.name, "generation %u is drained", hosted->app.generation);
    tell(worker, CONTROL_APP_GONE, hosted, 0, 0, "");
    LIST_REMOVE(hosted, link);
    hosted_destroy(hosted);
    if (worker->stopping && LIST_EMPTY(&worker->apps))
        exit_threads(worker);
}

static void
tell_loaded(struct worker *worker, const struct hosted *hosted, int result)
{
    tell(worker, CONTROL_APP_LOADED, hosted, board_number(hosted->board), result,
         result ? strerror(-result) : "");
}

/* All threads have done what `type` asked for. */
static void
order_done(struct worker *worker, struct hosted *hosted, enum command_type type)
{
    int result = hosted->result[type];

    switch (type) {
    case COMMAND_ADD:
        if (hosted->state == HOSTED_ADDING)
            hosted->state = HOSTED_LOADED;
        tell_loaded(worker, hosted, result);
        return;
    case COMMAND_ACCEPT:
        if (result != 0)
            log_error(hosted->app.name, "cannot accept on every socket: %s", strerror(-result));
        return;
    case COMMAND_BOARD:
        if (result == 0)        /* else some thread still reads the old one */
            hosted_swap_board(hosted);
        if (result == 0 || hosted->state != HOSTED_DRAINING)    /* a thread may be done */
            tell_loaded(worker, hosted, result);
        return;
    case COMMAND_DRAIN:
        hosted->drained = true;
        return;
    case COMMAND_EXIT:
        return;
    }
}

static bool
replies_due(const struct hosted *hosted)
{
    for (int type = 0; type < COMMAND_TYPES; type++) {
        if (hosted->waiting[type] > 0)
            return true;
    }
    return false;
}

static void
handle_reply(struct worker *worker, struct command *command)
{
    struct hosted *hosted;

    if (command->type == COMMAND_EXIT) {
        thread_join(worker->threads[command->thread]);
        worker->threads[command->thread] = NULL;
        if (--worker->exits_waiting == 0)
            event_base_loopbreak(worker->base);
        return;
    }
    hosted = CONTAINER_OF(command->app, struct hosted, app);
    if (command->result != 0 && hosted->result[command->type] == 0)
        hosted->result[command->type] = command->result;
    assert(hosted->waiting[command->type] > 0);
    if (--hosted->waiting[command->type] == 0)
        order_done(worker, hosted, command->type);
    if (hosted->drained && !replies_due(hosted))
        app_gone(worker, hosted);
}

static void
on_replies(evutil_socket_t fd, short what, void *context)
{
    struct worker *worker = context;
    struct mail *mail;
    uint64_t count;

    (void)what;
    if (read(fd, &count, sizeof count) != (ssize_t)sizeof count)
        return;
    while ((mail = mailbox_take(&worker->replies)) != NULL) {
        struct command *command = CONTAINER_OF(mail, struct command, mail);

        handle_reply(worker, command);
        free(command);
    }
}

static void
wake_control(void *context)
{
    struct worker *worker = context;
    const uint64_t one = 1;
    ssize_t written = write(worker->reply_fd, &one, sizeof one);

    (void)written;
}

/* ---- threads ---- */

/* Connections need two descriptors each; what listens, pipes and the rest is set aside. */
static int
start_threads(struct worker *worker, uint32_t count, uint32_t listeners)
{
    struct rlimit limit;
    uint64_t pipes, left;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return -errno;
    pipes = MIN(MAX(limit.rlim_cur / 32 / count, 2), (uint64_t)PIPES_MAX);
    left = DESCRIPTORS_RESERVED + listeners + count * (2 * pipes + 4);
    left = limit.rlim_cur > left ? limit.rlim_cur - left : 0;
    for (uint32_t i = 0; i < count; i++) {
        worker->threads[i] = thread_start(i, count, (uint32_t)MAX(left / 2 / count, 1),
                                          (uint32_t)pipes, &worker->replies);
        if (worker->threads[i] == NULL)
            return -errno;
        worker->thread_count++;
    }
    return 0;
}

/* ---- orders of the supervisor ---- */

static void
load_app(struct worker *worker, const struct control_app *order_of, const int *fds,
         size_t fd_count)
{
    struct hosted *hosted = NULL;
    struct hosted failed = { 0 };
    char why[DETAIL_BYTES] = "wrong number of descriptors";
    int rc = -EPROTO;

    if (fd_count == 3 && find(worker, order_of->app, order_of->generation) == NULL)
        rc = hosted_create(order_of->app, order_of->generation, fds, &hosted, why);
    if (rc == 0) {
        LIST_INSERT_HEAD(&worker->apps, hosted, link);
        return;
    }
    log_error(order_of->app, "generation %u cannot be loaded: %s", order_of->generation, why);
    snprintf(failed.app.name, sizeof failed.app.name, "%s", order_of->app);
    failed.app.generation = order_of->generation;
    tell(worker, CONTROL_APP_LOADED, &failed, order_of->board_number, rc, why);
}

static void
add_sockets(struct worker *worker, const struct control_sockets *order_of, const int *fds,
            size_t fd_count)
{
    struct hosted *hosted = find(worker, order_of->app, order_of->generation);
    int rc = -ENOENT;

    if (hosted != NULL)
        rc = hosted_add_sockets(hosted, order_of, fds, (uint32_t)fd_count);
    if (rc == 0) {
        tell(worker, CONTROL_APP_SOCKETS_ACK, hosted, 0, 0, "");
        return;
    }
    log_error(order_of->app, "listening sockets do not fit: %s", strerror(-rc));
    for (size_t i = 0; i < fd_count; i++)
        close(fds[i]);
}

/* With every socket here the threads get the app. */
static void
commit_app(struct worker *worker, struct hosted *hosted)
{
    uint32_t threads = traffic_threads(hosted->traffic);
    int rc = 0;

    if (hosted->state != HOSTED_LOADING || hosted->app.listen_count != hosted->listen_room)
        rc = -EPROTO;
    else if (threads == 0 || threads > APP_THREADS_MAX)
        rc = -EINVAL;
    else if (worker->thread_count == 0)
        rc = start_threads(worker, threads, hosted->app.listen_count);
    else if (threads != worker->thread_count)
        rc = -EINVAL;
    if (rc == 0)
        rc = order(worker, hosted, COMMAND_ADD, 0);
    if (rc == 0)
        hosted->state = HOSTED_ADDING;
    else
        tell(worker, CONTROL_APP_LOADED, hosted, board_number(hosted->board), rc, strerror(-rc));
}

static void
change_board(struct worker *worker, struct hosted *hosted, const int *fds, size_t fd_count)
{
    int rc = fd_count == 2 ? hosted_next_board(hosted, fds) : -EPROTO;

    if (rc == 0 && hosted->state == HOSTED_LOADING) {       /* no thread knows it yet */
        hosted_swap_board(hosted);
        tell_loaded(worker, hosted, 0);
        return;
    }
    if (rc == 0)
        rc = order(worker, hosted, COMMAND_BOARD, 0);
    if (rc != 0)
        log_error(hosted->app.name, "the larger board is unusable: %s", strerror(-rc));
}

static void
drain_app(struct worker *worker, struct hosted *hosted, uint32_t deadline_ms)
{
    if (hosted->state == HOSTED_DRAINING)
        return;
    log_info(hosted->app.name, "generation %u drains for %u ms at most",
             hosted->app.generation, deadline_ms);
    if (hosted->state == HOSTED_LOADING) {      /* no thread knows it yet */
        app_gone(worker, hosted);
        return;
    }
    hosted->state = HOSTED_DRAINING;
    if (order(worker, hosted, COMMAND_DRAIN, deadline_ms) != 0)
        log_error(hosted->app.name, "no memory to drain");
}

static void
stop(struct worker *worker, uint32_t deadline_ms)
{
    struct hosted *hosted, *next;

    if (worker->stopping && deadline_ms > 0)
        return;
    if (worker->stopping) {         /* told twice: at once */
        event_base_loopbreak(worker->base);
        return;
    }
    worker->stopping = true;
    if (LIST_EMPTY(&worker->apps))
        exit_threads(worker);
    for (hosted = LIST_FIRST(&worker->apps); hosted != NULL; hosted = next) {
        next = LIST_NEXT(hosted, link);
        drain_app(worker, hosted, deadline_ms);
    }
}

static void
on_settings(const int *fds, size_t fd_count)
{
    struct settings settings;
    char why[DETAIL_BYTES];
    char *text;
    size_t bytes;

    if (fd_count != 1 || sealed_text_read(fds[0], SETTINGS_BYTES_MAX, &text, &bytes) != 0)
        return;
    if (settings_parse(text, &settings, why) == 0) {
        log_set_level(settings.log_level);
        log_set_format(settings.log_format);
    } else {
        log_error(NULL, "the settings cannot be read: %s", why);
    }
    free(text);
}

static void
on_app_order(struct worker *worker, const struct control_message *message, const int *fds,
             size_t fd_count)
{
    const struct control_app *body = &message->body.app;
    struct hosted *hosted = find(worker, body->app, body->generation);

    if (hosted == NULL) {
        log_warn(body->app, "order %u for generation %u, which is not here", message->type,
                 body->generation);
        return;
    }
    switch (message->type) {
    case CONTROL_APP_COMMIT:
        commit_app(worker, hosted);
        break;
    case CONTROL_APP_ACCEPT:
        if (hosted->state != HOSTED_LOADED)
            break;
        hosted->state = HOSTED_ACCEPTING;
        if (order(worker, hosted, COMMAND_ACCEPT, 0) != 0)
            log_error(body->app, "no memory to accept");
        break;
    case CONTROL_APP_BOARD:
        change_board(worker, hosted, fds, fd_count);
        break;
    case CONTROL_APP_DRAIN:
        drain_app(worker, hosted, body->count);
        break;
    default:
        break;
    }
}

static void
on_message(void *context, const struct control_message *message, const int *fds, size_t fd_count)
{
    struct worker *worker = context;
    struct control_message pong = { .magic = CONTROL_MAGIC, .type = CONTROL_PONG };
    bool kept = false;

    switch (message->type) {
    case CONTROL_SETTINGS:
        on_settings(fds, fd_count);
        break;
    case CONTROL_STOP:
        stop(worker, message->body.stop.deadline_ms);
        break;
    case CONTROL_PING:
        control_peer_send(worker->peer, &pong, NULL, 0);
        break;
    case CONTROL_APP_LOAD:
        load_app(worker, &message->body.app, fds, fd_count);
        break;
    case CONTROL_APP_SOCKETS:
        add_sockets(worker, &message->body.sockets, fds, fd_count);
        kept = true;
        break;
    default:
        on_app_order(worker, message, fds, fd_count);
        break;
    }
    for (size_t i = 0; !kept && i < fd_count; i++)
        close(fds[i]);
}

static void
on_supervisor_gone(void *context)
{
    struct worker *worker = context;

    log_warn(NULL, "the supervisor is gone; this worker keeps serving (fproxy stop ends it)");
    control_peer_destroy(worker->peer);
    worker->peer = NULL;
}

static void
on_term(evutil_socket_t signal, short what, void *context)
{
    struct worker *worker = context;
    const struct hosted *hosted;
    uint32_t deadline_ms = 1;

    (void)signal;
    (void)what;
    LIST_FOREACH(hosted, &worker->apps, link)
        deadline_ms = MAX(deadline_ms, hosted->app.config.drain_timeout_ms);
    stop(worker, deadline_ms);
}

/* ---- the process ---- */

static int
say_hello(struct worker *worker)
{
    struct control_message hello = { .magic = CONTROL_MAGIC, .type = CONTROL_HELLO };

    hello.body.hello.role = CONTROL_WORKER;
    hello.body.hello.pid = (int32_t)getpid();
    snprintf(hello.body.hello.version, sizeof hello.body.hello.version, "%s", FPROXY_VERSION);
    return control_peer_send(worker->peer, &hello, NULL, 0);
}

static int
worker_init(struct worker *worker, int control_fd)
{
    worker->base = event_base_new();
    worker->reply_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (worker->base == NULL || worker->reply_fd < 0)
        return -ENOMEM;
    mailbox_init(&worker->replies, wake_control, worker);
    worker->reply_event =
        event_new(worker->base, worker->reply_fd, EV_READ | EV_PERSIST, on_replies, worker);
    worker->term_event = evsignal_new(worker->base, SIGTERM, on_term, worker);
    worker->peer = control_peer_create(worker->base, control_fd, on_message, on_supervisor_gone,
                                       worker);
    if (worker->reply_event == NULL || worker->term_event == NULL || worker->peer == NULL)
        return -ENOMEM;
    event_add(worker->reply_event, NULL);
    event_add(worker->term_event, NULL);
    return say_hello(worker);
}

static void
worker_fini(struct worker *worker)
{
    struct hosted *hosted;

    while ((hosted = LIST_FIRST(&worker->apps)) != NULL) {
        LIST_REMOVE(hosted, link);
        hosted_destroy(hosted);
    }
    if (worker->peer != NULL)
        control_peer_destroy(worker->peer);
    event_free(worker->reply_event);
    event_free(worker->term_event);
    event_base_free(worker->base);
    mailbox_fini(&worker->replies);
    close(worker->reply_fd);
}

int
worker_run(const char *name, int control_fd)
{
    struct worker worker = { .name = name };
    int rc = worker_init(&worker, control_fd);

    if (rc != 0) {
        log_error(NULL, "worker %s cannot start: %s", name, strerror(-rc));
        return 1;
    }
    event_base_dispatch(worker.base);
    for (uint32_t i = 0; i < worker.thread_count; i++) {
        if (worker.threads[i] != NULL)
            _exit(0);       /* told to end at once: the kernel closes what threads still hold */
    }
    worker_fini(&worker);
    return 0;
}
