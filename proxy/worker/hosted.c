/* hosted - see hosted.h. */
#include "proxy/worker/hosted.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/shared_file.h"
#include "base/util.h"

enum { STATE_ALIGNMENT = 64, SOCKETS_MAX = APP_PORTS_MAX * APP_THREADS_MAX };

static int
read_config(int fd, struct app_config *config, char *why)
{
    char *text;
    size_t bytes;
    int rc = sealed_text_read(fd, APP_TEXT_BYTES_MAX, &text, &bytes);

    if (rc != 0) {
        snprintf(why, DETAIL_BYTES, "the configuration text cannot be read: %s", strerror(-rc));
        return rc;
    }
    rc = app_config_parse(text, config, why);
    free(text);
    return rc;
}

static int
open_shared(const int *fds, struct board **board, struct traffic **traffic)
{
    int rc = board_open(fds[0], false, board);

    if (rc != 0)
        return rc;
    rc = traffic_open(fds[1], true, traffic);
    if (rc == 0 && traffic_slots(*traffic) >= board_slots(*board))
        return 0;
    if (rc == 0)
        traffic_close(*traffic);
    board_close(*board);
    *traffic = NULL;
    *board = NULL;
    return rc != 0 ? rc : -EPROTO;
}

static int
create_strategy(struct worker_app *app, char *why)
{
    size_t bytes;

    app->strategy = strategy_find(app->config.strategy);
    if (app->strategy == NULL) {
        snprintf(why, DETAIL_BYTES, "strategy '%s' is not known here", app->config.strategy);
        return -EINVAL;
    }
    bytes = (app->strategy->state_bytes + STATE_ALIGNMENT) & ~((size_t)STATE_ALIGNMENT - 1);
    app->strategy_state = aligned_alloc(STATE_ALIGNMENT, bytes);
    if (app->strategy_state == NULL)
        return -ENOMEM;
    memset(app->strategy_state, 0, bytes);
    app->strategy->init(app->strategy_state);
    return 0;
}

int
hosted_create(const char *name, uint32_t generation, const int *fds, struct hosted **hosted,
              char *why)
{
    struct hosted *new = calloc(1, sizeof *new);
    int rc;

    why[0] = '\0';
    if (new == NULL)
        return -ENOMEM;
    snprintf(new->app.name, sizeof new->app.name, "%s", name);
    new->app.generation = generation;
    SLIST_INIT(&new->sockets);
    rc = read_config(fds[0], &new->app.config, why);
    if (rc == 0) {
        rc = open_shared(fds + 1, &new->board, &new->traffic);
        if (rc != 0)
            snprintf(why, DETAIL_BYTES, "the board or traffic page is unusable: %s",
                     strerror(-rc));
    }
    if (rc == 0)
        rc = create_strategy(&new->app, why);
    if (rc != 0) {
        hosted_destroy(new);
        return rc;
    }
    *hosted = new;
    return 0;
}

void
hosted_destroy(struct hosted *hosted)
{
    struct listener *listener;

    while ((listener = SLIST_FIRST(&hosted->sockets)) != NULL) {
        SLIST_REMOVE_HEAD(&hosted->sockets, link);
        close(listener->io.fd);
        free(listener);
    }
    for (uint32_t i = 0; i < hosted->thread_count; i++)
        thread_app_destroy(hosted->app.threads[i]);
    free(hosted->app.threads);
    board_close(hosted->board);
    traffic_close(hosted->traffic);
    board_close(hosted->next_board);
    traffic_close(hosted->next_traffic);
    handover_destroy(hosted->app.handover);
    free(hosted->ports);
    free(hosted->app.strategy_state);
    app_config_fini(&hosted->app.config);
    free(hosted);
}

/* ---- sockets ---- */

static int
check_sockets(const struct hosted *hosted, const struct control_sockets *about, uint32_t count)
{
    uint32_t first = about->first, total = about->total;

    if (hosted->state != HOSTED_LOADING || first != hosted->socket_count ||
        total > SOCKETS_MAX || count > total - MIN(first, total) ||
        (hosted->socket_total != 0 && total != hosted->socket_total))
        return -EPROTO;
    for (uint32_t i = 0; i < count; i++) {
        if (about->port[i] >= hosted->app.config.port_count)
            return -EPROTO;
    }
    return 0;
}

int
hosted_add_sockets(struct hosted *hosted, const struct control_sockets *about,
                   const int *fds, uint32_t count)
{
    struct listener_list made = SLIST_HEAD_INITIALIZER(made);
    struct listener *listener;
    int rc = check_sockets(hosted, about, count);

    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        listener = calloc(1, sizeof *listener);
        if (listener == NULL) {
            rc = -ENOMEM;
            break;
        }
        listener->io.fd = fds[i];
        listener->port = about->port[i];
        SLIST_INSERT_HEAD(&made, listener, link);
    }
    while ((listener = SLIST_FIRST(&made)) != NULL) {
        SLIST_REMOVE_HEAD(&made, link);
        if (rc != 0)
            free(listener);
        else
            SLIST_INSERT_HEAD(&hosted->sockets, listener, link);
    }
    if (rc != 0)
        return rc;
    hosted->socket_count += count;
    hosted->socket_total = about->total;
    return 0;
}

/* Each port has a socket: one of this load, or one that is here already. */
static int
check_ports(const struct hosted *hosted, const struct ports *ports, char *why)
{
    const struct app_config *config = &hosted->app.config;
    bool *sent = calloc(config->port_count + 1, sizeof *sent);
    const struct listener *listener;
    char text[ADDRESS_TEXT_BYTES];
    int rc = 0;

    if (sent == NULL)
        return -ENOMEM;
    SLIST_FOREACH(listener, &hosted->sockets, link)
        sent[listener->port] = true;
    for (uint32_t i = 0; rc == 0 && i < config->port_count; i++) {
        const struct port *port =
            sent[i] ? NULL : port_find(ports, &config->ports[i].address);

        if (sent[i] || (port != NULL && port->listener_count > 0))
            continue;
        if (config->ports[i].address.family == 0)
            snprintf(text, sizeof text, "%u", config->ports[i].address.port);
        else
            address_format(&config->ports[i].address, text);
        snprintf(why, DETAIL_BYTES, "no socket was sent for port %s, and none is here", text);
        rc = -ENOENT;
    }
    free(sent);
    return rc;
}

static int
make_thread_apps(struct hosted *hosted, struct thread *const *threads, uint32_t count)
{
    hosted->app.threads = calloc(count, sizeof(struct thread_app *));
    if (hosted->app.threads == NULL)
        return -ENOMEM;
    hosted->thread_count = count;
    for (uint32_t i = 0; i < count; i++) {
        hosted->app.threads[i] =
            thread_app_create(&hosted->app, threads[i], hosted->board, hosted->traffic);
        if (hosted->app.threads[i] == NULL)
            return -ENOMEM;
    }
    return 0;
}

static int
use_ports(struct hosted *hosted, struct ports *ports)
{
    const struct app_config *config = &hosted->app.config;

    hosted->ports = calloc(config->port_count + 1, sizeof *hosted->ports);
    if (hosted->ports == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < config->port_count; i++) {
        hosted->ports[i] = port_use(ports, &config->ports[i].address);
        if (hosted->ports[i] == NULL)
            return -ENOMEM;
    }
    return 0;
}

int
hosted_commit(struct hosted *hosted, struct ports *ports, struct thread *const *threads,
              uint32_t thread_count, uint32_t count, char *why)
{
    int rc;

    if (hosted->socket_count != hosted->socket_total ||
        (count != 0 && count != hosted->socket_count)) {
        snprintf(why, DETAIL_BYTES, "%u of its sockets have arrived", hosted->socket_count);
        return -EPROTO;
    }
    rc = check_ports(hosted, ports, why);
    if (rc == 0)
        rc = make_thread_apps(hosted, threads, thread_count);
    if (rc == 0)
        rc = use_ports(hosted, ports);
    return rc;
}

int
hosted_commit_retired(struct hosted *hosted, struct thread *const *threads,
                      uint32_t thread_count)
{
    return hosted->socket_total > 0 ? -EPROTO : make_thread_apps(hosted, threads, thread_count);
}

/* ---- boards ---- */

const struct board *
hosted_board(const struct hosted *hosted)
{
    return hosted->next_board != NULL ? hosted->next_board : hosted->board;
}

const struct traffic *
hosted_traffic(const struct hosted *hosted)
{
    return hosted->next_traffic != NULL ? hosted->next_traffic : hosted->traffic;
}

void
hosted_drop_next_board(struct hosted *hosted)
{
    board_close(hosted->next_board);
    traffic_close(hosted->next_traffic);
    hosted->next_board = NULL;
    hosted->next_traffic = NULL;
}

int
hosted_next_board(struct hosted *hosted, const int *fds)
{
    int rc;

    if (hosted->next_board != NULL)
        return -EBUSY;
    rc = open_shared(fds, &hosted->next_board, &hosted->next_traffic);
    if (rc != 0)
        return rc;
    if (board_slots(hosted->next_board) >= board_slots(hosted->board) &&
        traffic_threads(hosted->next_traffic) >= traffic_threads(hosted->traffic))
        return 0;
    hosted_drop_next_board(hosted);
    return -EPROTO;
}

void
hosted_swap_board(struct hosted *hosted)
{
    board_close(hosted->board);
    traffic_close(hosted->traffic);
    hosted->board = hosted->next_board;
    hosted->traffic = hosted->next_traffic;
    hosted->next_board = NULL;
    hosted->next_traffic = NULL;
}

int
hosted_change_board(struct hosted *hosted, const int *fds)
{
    struct available_snapshot *snapshots[APP_THREADS_MAX] = { NULL };
    int rc = hosted_next_board(hosted, fds);

    if (rc != 0)
        return rc;
    for (uint32_t i = 0; rc == 0 && i < hosted->thread_count; i++) {
        snapshots[i] = snapshot_create(hosted->next_board);
        rc = snapshots[i] == NULL ? -ENOMEM : 0;
    }
    for (uint32_t i = 0; rc == 0 && i < hosted->thread_count; i++)
        snapshots[i] = thread_app_use(hosted->app.threads[i], hosted->next_board,
                                      hosted->next_traffic, snapshots[i]);
    for (uint32_t i = 0; i < hosted->thread_count; i++)
        free(snapshots[i]);
    if (rc == 0)
        hosted_swap_board(hosted);
    else
        hosted_drop_next_board(hosted);
    return rc;
}
