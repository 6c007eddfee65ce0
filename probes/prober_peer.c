#include "probes/prober_peer.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/control.h"
#include "base/log.h"
#include "base/shared_file.h"
#include "base/util.h"
#include "probes/board_writer.h"
#include "probes/prober_orders.h"
#include "probes/prober_priv.h"

enum {
    BACKLOG = 8,
    REPORT_BATCH = 64,          /* messages a turn of the loop: probes want their turn too */
    WAIT_MIN_MS = 1,
    WAIT_MAX_MS = 64,
};

void
prober_tell(struct prober *prober, const struct control_message *message)
{
    struct prober_peer *peer = &prober->peer;
    bool is_news = message->type == CONTROL_APP_HEALTH || message->type == CONTROL_APP_GROW;
    int rc;

    /* Who does not know yet what is loaded is told again when it does. */
    if (peer->control == NULL || (is_news && peer->stage == REPORTING_APPS))
        return;
    rc = control_peer_send(peer->control, message, NULL, 0);
    if (rc < 0 && rc != -EPIPE)
        log_error(NULL, "cannot tell the supervisor something: %s", strerror(-rc));
}

/* ---- the report ---- */

static void
say_hello(struct prober *prober)
{
    struct control_message message = { .magic = CONTROL_MAGIC, .type = CONTROL_HELLO };
    struct control_hello *hello = &message.body.hello;

    hello->role = CONTROL_PROBER;
    hello->pid = getpid();
    hello->protocol = CONTROL_PROTOCOL;
    snprintf(hello->version, sizeof hello->version, "%s", FPROXY_VERSION);
    prober_tell(prober, &message);
}

static int
report_app(struct prober *prober, const struct prober_app *app)
{
    struct control_message message;
    char *text = app_config_print(&app->config);
    int rc, fd;

    if (text == NULL)
        return -ENOMEM;
    fd = sealed_text_create(app->config.name, text, strlen(text));
    free(text);
    if (fd < 0)
        return fd;
    control_app_message(&message, CONTROL_REPORT_APP, app->config.name, app->generation);
    message.body.app.board_number = board_number(app->writer.board);
    message.body.app.count = CONTROL_IS_LOADED;
    rc = control_peer_send(prober->peer.control, &message, &fd, 1);
    close(fd);
    return rc;
}

static void
report_end(struct prober *prober)
{
    const struct control_message message = { .magic = CONTROL_MAGIC,
                                             .type = CONTROL_REPORT_END };

    prober_tell(prober, &message);
}

/* The next message of the report; a failure is one of the moment: it is tried again. */
static int
report_next(struct prober *prober)
{
    struct prober_peer *peer = &prober->peer;
    int rc = 0;

    if (peer->next != NULL) {
        if (peer->stage == REPORTING_APPS)
            rc = report_app(prober, peer->next);
        else
            board_writer_tell_again(peer->next);
        if (rc == 0)
            peer->next = TAILQ_NEXT(peer->next, link);
    } else if (peer->stage == REPORTING_APPS) {
        report_end(prober);
        peer->stage = REPORTING_HEALTH;
        peer->next = TAILQ_FIRST(&prober->apps);
    } else {
        peer->stage = REPORTED;
        history_attach(prober->history, peer->control);
    }
    return rc;
}

/* After REPORT_BATCH messages at once, or when what it did not read yet may have been read. */
static void
report_later(struct prober_peer *peer, bool at_once)
{
    struct timeval wait = { 0, 0 };

    peer->wait_ms = at_once ? 0 : MIN(MAX(peer->wait_ms * 2, WAIT_MIN_MS), WAIT_MAX_MS);
    wait.tv_usec = (suseconds_t)peer->wait_ms * 1000;
    event_add(&peer->more, &wait);
}

static void
on_more(evutil_socket_t fd, short what, void *context)
{
    struct prober *prober = context;
    struct prober_peer *peer = &prober->peer;
    uint32_t sent = 0;

    assert(peer->control != NULL);

    while (peer->stage != REPORTED && sent < REPORT_BATCH) {
        if (control_peer_queued(peer->control) > 0 || report_next(prober) < 0)
            break;
        sent++;
    }
    if (peer->stage != REPORTED)
        report_later(peer, sent == REPORT_BATCH);
}

/* ---- the connection ---- */

static void
detach(struct prober *prober)
{
    history_detach(prober->history);
    event_del(&prober->peer.more);
    control_peer_destroy(prober->peer.control);
    prober->peer.control = NULL;
}

static void
on_closed(void *context)
{
    log_warn(NULL, "the supervisor is gone: probing goes on without it");
    detach(context);
}

/* `socket` stays the caller's when there is no memory. */
static int
attach(struct prober *prober, int socket)
{
    struct prober_peer *peer = &prober->peer;

    assert(peer->control == NULL);

    peer->control = control_peer_create(prober->base, socket, prober_on_message, on_closed,
                                        prober);
    if (peer->control == NULL)
        return -ENOMEM;
    peer->stage = REPORTING_APPS;
    peer->next = TAILQ_FIRST(&prober->apps);
    say_hello(prober);
    report_later(peer, true);
    return 0;
}

static bool
is_allowed(int socket)
{
    struct ucred who;
    socklen_t bytes = sizeof who;

    return getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &who, &bytes) == 0 &&
           (who.uid == 0 || who.uid == geteuid());
}

static void
on_accept(evutil_socket_t fd, short what, void *context)
{
    struct prober *prober = context;
    int socket = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (socket < 0)
        return;         /* gone again, or no descriptor: it waits in the queue */
    if (!is_allowed(socket)) {
        log_warn(NULL, "another user tried to take over as the supervisor");
        close(socket);
        return;
    }
    if (prober->peer.control != NULL)
        detach(prober);
    if (attach(prober, socket) < 0) {
        log_error(NULL, "a new supervisor cannot be listened to: no memory");
        close(socket);
        return;
    }
    log_info(NULL, "a new supervisor has taken over");
}

static void
start_listening(struct prober *prober, int listener)
{
    struct prober_peer *peer = &prober->peer;

    if (listen(listener, BACKLOG) < 0 || evutil_make_socket_nonblocking(listener) < 0) {
        log_warn(NULL, "no other supervisor can take this prober over: %s", strerror(errno));
        return;
    }
    event_assign(&peer->accept, prober->base, listener, EV_READ | EV_PERSIST, on_accept,
                 prober);
    event_add(&peer->accept, NULL);
    peer->listener = listener;
}

int
prober_peer_init(struct prober *prober, int control, int listener)
{
    prober->peer = (struct prober_peer){ .listener = -1 };
    event_assign(&prober->peer.more, prober->base, -1, 0, on_more, prober);
    if (listener >= 0)
        start_listening(prober, listener);
    return attach(prober, control);
}

void
prober_peer_fini(struct prober *prober)
{
    struct prober_peer *peer = &prober->peer;

    if (peer->control != NULL)
        detach(prober);
    if (peer->listener < 0)
        return;
    event_del(&peer->accept);
    close(peer->listener);
    peer->listener = -1;
}

void
prober_peer_forget(struct prober *prober, const struct prober_app *app)
{
    if (prober->peer.next == app)
        prober->peer.next = TAILQ_NEXT(app, link);
}
