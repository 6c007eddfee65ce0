/* worker_rig_app - see worker_rig_app.h. */
#include "base/control.h"
#include "tests/unit/worker_rig_app.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/shared_file.h"
#include "base/util.h"
#include "config/app.h"

enum { SLOTS = 16 };

static int
text_of(const struct rig_app *app)
{
    struct app_listen ports[RIG_PORTS_MAX] = { 0 };
    struct app_target targets[RIG_TARGETS_MAX];
    char names[RIG_TARGETS_MAX][24], *text;
    struct app_config config;
    int fd;

    memset(targets, 0, sizeof targets);
    app_config_defaults(&config);
    snprintf(config.name, sizeof config.name, "%s", app->name);
    for (unsigned i = 0; i < app->port_count; i++)
        address_parse_ip("127.0.0.1", app->ports[i], &ports[i].address);
    for (unsigned i = 0; i < app->target_count; i++) {
        snprintf(names[i], sizeof names[i], "127.0.0.1:%u", app->targets[i]);
        targets[i].name = names[i];
        targets[i].port = app->targets[i];
        address_parse_ip("127.0.0.1", app->targets[i], &targets[i].address);
    }
    config.ports = ports;
    config.port_count = app->port_count;
    config.targets = targets;
    config.target_count = app->target_count;
    config.threads = app->threads;
    if (app->configure != NULL)
        app->configure(&config);
    text = app_config_print(&config);
    assert_non_null(text);
    fd = sealed_text_create("rig", text, strlen(text));
    assert_true(fd >= 0);
    free(text);
    return fd;
}

/* Target i is in slot i + generation: a slot means something else in every board. */
static uint16_t
slot_of(const struct rig_app *app, unsigned target)
{
    return (uint16_t)((target + app->generation) % SLOTS);
}

static void
publish(const struct rig_app *app)
{
    struct available_endpoint endpoints[RIG_TARGETS_MAX] = { 0 };

    for (unsigned i = 0; i < app->target_count; i++) {
        struct board_detail detail = { .id = app->generation * 100 + i };
        uint16_t slot = slot_of(app, i);

        address_parse_ip("127.0.0.1", app->targets[i], &detail.address);
        snprintf(detail.target, sizeof detail.target, "127.0.0.1:%u", app->targets[i]);
        endpoints[i].address = detail.address;
        endpoints[i].id = detail.id;
        endpoints[i].slot = slot;
        endpoints[i].weight = 1;
        endpoints[i].target = i;
        atomic_store(&board_pulse_writable(app->board, slot)->id, detail.id);
        board_set_detail(app->board, slot, &detail);
    }
    assert_int_equal(available_set_publish(board_available_writable(app->board), endpoints,
                                           app->target_count, 0, clock_monotonic_ms()), 0);
}

static void
send_sockets(struct rig *rig, const struct rig_app *app)
{
    struct control_message message;
    struct control_sockets *body = &message.body.sockets;

    if (app->socket_count == 0)
        return;
    memset(&message, 0, sizeof message);
    message.magic = CONTROL_MAGIC;
    message.type = CONTROL_APP_SOCKETS;
    snprintf(body->app, sizeof body->app, "%s", app->name);
    body->generation = app->generation;
    body->total = MAX(app->socket_count, app->total_sockets);
    memcpy(body->port, app->socket_ports, app->socket_count * sizeof body->port[0]);
    assert_int_equal(control_send(rig->control, &message, app->sockets, app->socket_count), 0);
}

static void
send_order(struct rig *rig, const struct rig_app *app, enum control_type type, uint32_t count,
           const int *fds, size_t fd_count)
{
    struct control_message message;

    control_app_message(&message, type, app->name, app->generation);
    message.body.app.count = count;
    assert_int_equal(control_send(rig->control, &message, fds, fd_count), 0);
}

void
rig_app_order(struct rig *rig, const struct rig_app *app, enum control_type type, uint32_t count)
{
    send_order(rig, app, type, count, NULL, 0);
}

void
rig_app_send(struct rig *rig, struct rig_app *app)
{
    int fds[3], board = rig_shared(rig, "board", board_bytes(SLOTS));

    assert_int_equal(board_format(board, app->name, app->generation, app->generation, SLOTS), 0);
    assert_int_equal(board_open(board, true, &app->board), 0);
    fds[0] = text_of(app);
    fds[1] = shared_file_reopen_readonly(board);
    fds[2] = rig_shared(rig, "traffic", traffic_bytes(app->threads, SLOTS));
    assert_int_equal(traffic_format(fds[2], "rig", app->name, app->generation, app->threads,
                                    SLOTS), 0);
    assert_int_equal(traffic_open(fds[2], false, &app->traffic), 0);
    publish(app);
    send_order(rig, app, CONTROL_APP_LOAD, 0, fds, 3);
    send_sockets(rig, app);
    if (app->total_sockets <= app->socket_count)
        send_order(rig, app, CONTROL_APP_COMMIT, app->socket_count, NULL, 0);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    close(board);
}

int
rig_app_load(struct rig *rig, struct rig_app *app)
{
    struct control_message message;

    rig_app_send(rig, app);
    do {
        rig_expect(rig, CONTROL_APP_LOADED, &message);
    } while (message.body.app.generation != app->generation);
    return message.body.app.result;
}

void
rig_app_accept(struct rig *rig, const struct rig_app *app, uint32_t limit_ms)
{
    struct control_message message;

    rig_app_order(rig, app, CONTROL_APP_ACCEPT, limit_ms);
    rig_expect(rig, CONTROL_APP_ACCEPTING, &message);
    assert_string_equal(message.body.app.app, app->name);
    assert_int_equal(message.body.app.generation, app->generation);
    assert_int_equal(message.body.app.result, 0);
}

void
rig_app_expect_gone(struct rig *rig, const struct rig_app *app)
{
    struct control_message message;

    do {
        rig_expect(rig, CONTROL_APP_GONE, &message);
    } while (strcmp(message.body.app.app, app->name) != 0 ||
             message.body.app.generation != app->generation);
}

void
rig_app_fini(struct rig_app *app)
{
    board_close(app->board);
    traffic_close(app->traffic);
    app->board = NULL;
    app->traffic = NULL;
}

struct traffic_totals
rig_app_totals(const struct rig_app *app)
{
    struct traffic_totals totals;

    traffic_sum(app->traffic, &totals);
    return totals;
}

void
rig_say(int from, int to, const char *text)
{
    char got[64];
    size_t bytes = strlen(text);

    assert_true(bytes <= sizeof got);
    assert_int_equal(send(from, text, bytes, MSG_NOSIGNAL), (ssize_t)bytes);
    assert_int_equal(recv(to, got, bytes, MSG_WAITALL), (ssize_t)bytes);
    assert_memory_equal(got, text, bytes);
}

void
rig_pair_talk(const struct rig_pair *pair)
{
    rig_say(pair->client, pair->target, "question");
    rig_say(pair->target, pair->client, "answer");
}

struct rig_pair
rig_pair_connect(uint16_t port, int listener)
{
    struct rig_pair pair = { .client = rig_connect(port) };

    pair.target = rig_accept(listener);
    rig_pair_talk(&pair);
    return pair;
}

void
rig_pair_close(const struct rig_pair *pair)
{
    close(pair->client);
    close(pair->target);
}
