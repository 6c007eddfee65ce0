/* thread - see thread.h. */
#include "proxy/worker/thread.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "proxy/worker/listen.h"
#include "proxy/worker/race.h"
#include "proxy/worker/slab.h"

enum { THREAD_STACK_BYTES = 256 * 1024 };

void
thread_reply(struct thread *thread, struct command *command, int result)
{
    command->thread = thread->index;
    command->result = result;
    mailbox_put(thread->replies, &command->mail);
}

/* ---- the apps of this thread ---- */

static struct thread_app *
find_app(struct thread *thread, const struct worker_app *app)
{
    struct thread_app *mine;

    LIST_FOREACH(mine, &thread->apps, link) {
        if (mine->app == app)
            return mine;
    }
    return NULL;
}

static void
use_board(struct thread_app *mine, struct board *board, struct traffic *traffic,
          struct available_snapshot *snapshot)
{
    free(mine->snapshot);
    mine->snapshot = snapshot;
    mine->board = board;
    mine->traffic = traffic;
    mine->counters = traffic_counters(traffic, mine->thread->index);
}

static struct available_snapshot *
snapshot_create(const struct board *board)
{
    const struct available_set *set = board_available(board);

    return calloc(1, available_snapshot_bytes(available_set_endpoints_max(set)));
}

/* A thread accepts from every socket whose number falls to it: with fewer threads than sockets
 * a port, from several, for each socket of a SO_REUSEPORT group needs somebody. */
static bool
falls_to(const struct worker_app *app, uint32_t socket, const struct thread *thread)
{
    return (socket % app->listen_per_port) % thread->count == thread->index;
}

static int
take_listeners(struct thread_app *mine)
{
    const struct worker_app *app = mine->app;

    mine->listeners = calloc(app->listen_count + 1, sizeof *mine->listeners);
    if (mine->listeners == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < app->listen_count; i++) {
        struct listener *listener = &mine->listeners[mine->listener_count];

        if (!falls_to(app, i, mine->thread))
            continue;
        listener->io.fd = app->listen_fds[i];
        listener->app = mine;
        mine->listener_count++;
    }
    return 0;
}

static int
add_app(struct thread *thread, const struct command *command)
{
    struct thread_app *mine = calloc(1, sizeof *mine);
    struct available_snapshot *snapshot = snapshot_create(command->board);

    if (mine == NULL || snapshot == NULL)
        goto fail;
    mine->app = command->app;
    mine->thread = thread;
    LIST_INIT(&mine->conns);
    use_board(mine, command->board, command->traffic, snapshot);
    if (take_listeners(mine) != 0)
        goto fail;
    LIST_INSERT_HEAD(&thread->apps, mine, link);
    return 0;

fail:
    free(mine);
    free(snapshot);
    return -ENOMEM;
}

/* The counters go on in the new page, so that no total ever falls; an endpoint keeps its slot
 * when a board grows. What the threads know of endpoints is learnt anew within a probe. */
static void
carry_over(const struct traffic *from, const struct traffic *to, uint32_t index)
{
    uint32_t slots = MIN(traffic_slots(from), traffic_slots(to));

    memcpy(traffic_counters(to, index), traffic_counters(from, index),
           sizeof(struct traffic_counters));
    for (uint32_t slot = 0; slot < slots; slot++)
        memcpy(traffic_tries(to, index, slot), traffic_tries(from, index, slot),
               sizeof(struct traffic_tries));
}

static int
change_board(struct thread *thread, const struct command *command)
{
    struct thread_app *mine = find_app(thread, command->app);
    struct available_snapshot *snapshot = snapshot_create(command->board);

    if (mine == NULL || snapshot == NULL) {
        free(snapshot);
        return mine == NULL ? -ENOENT : -ENOMEM;
    }
    carry_over(mine->traffic, command->traffic, thread->index);
    use_board(mine, command->board, command->traffic, snapshot);
    return 0;
}

static void
forget_app(struct thread_app *mine)
{
    struct command *command = mine->draining;
    struct thread *thread = mine->thread;

    assert(LIST_EMPTY(&mine->conns));
    wheel_cancel(&thread->loop.wheel, &mine->drain_timer);
    LIST_REMOVE(mine, link);
    thread->draining--;
    free(mine->listeners);
    free(mine->snapshot);
    free(mine);
    thread_reply(thread, command, 0);
}

static void
close_all(struct thread_app *mine)
{
    struct conn *conn;

    while ((conn = LIST_FIRST(&mine->conns)) != NULL)
        conn_close(conn, CLOSE_DRAIN_TIMEOUT, true);
}

static void
drain_over(struct wheel_timer *timer)
{
    close_all(CONTAINER_OF(timer, struct thread_app, drain_timer));
}

static void
drain_app(struct thread *thread, struct command *command)
{
    struct thread_app *mine = find_app(thread, command->app);

    if (mine == NULL || mine->draining != NULL) {
        thread_reply(thread, command, -ENOENT);
        return;
    }
    listen_finish(mine);
    mine->draining = command;
    thread->draining++;
    mine->drain_timer.fire = drain_over;
    if (command->deadline_ms == 0)
        close_all(mine);
    else
        wheel_arm(&thread->loop.wheel, &mine->drain_timer,
                  thread->loop.now_ms + command->deadline_ms);
}

/* ---- the loop ---- */

static void
execute(struct thread *thread, struct command *command)
{
    struct thread_app *mine = find_app(thread, command->app);

    switch (command->type) {
    case COMMAND_ADD:
        thread_reply(thread, command, add_app(thread, command));
        return;
    case COMMAND_ACCEPT:
        thread_reply(thread, command, mine == NULL ? -ENOENT : listen_start(mine));
        return;
    case COMMAND_BOARD:
        thread_reply(thread, command, change_board(thread, command));
        return;
    case COMMAND_DRAIN:
        drain_app(thread, command);
        return;
    case COMMAND_EXIT:
        LIST_FOREACH(mine, &thread->apps, link) {
            listen_finish(mine);
            close_all(mine);
        }
        thread_reply(thread, command, 0);
        loop_stop(&thread->loop);
        return;
    }
}

static void
on_wake(struct loop_io *io, uint32_t events)
{
    struct loop *loop = CONTAINER_OF(io, struct loop, wake);
    struct thread *thread = CONTAINER_OF(loop, struct thread, loop);
    struct mail *mail;

    (void)events;
    while ((mail = mailbox_take(&thread->commands)) != NULL)
        execute(thread, CONTAINER_OF(mail, struct command, mail));
}

static void
finish_drains(struct thread *thread)
{
    struct thread_app *mine = LIST_FIRST(&thread->apps);

    while (mine != NULL) {
        struct thread_app *next = LIST_NEXT(mine, link);

        if (mine->draining != NULL && mine->conn_count == 0)
            forget_app(mine);
        mine = next;
    }
}

/* The end of a turn: who yielded goes on once, then what was closed becomes free. */
static bool
turned(void *context)
{
    struct thread *thread = context;
    struct conn *conn;
    struct race *race;

    for (uint32_t n = thread->turn_count; n > 0; n--) {
        conn = TAILQ_FIRST(&thread->turn);
        if (conn == NULL)
            break;
        conn_unqueue(conn);
        relay_pump(conn);
    }
    conn_free_closed(thread);
    while ((race = SLIST_FIRST(&thread->ended_races)) != NULL) {
        SLIST_REMOVE_HEAD(&thread->ended_races, link);
        SLIST_INSERT_HEAD(&thread->free_races, race, link);
    }
    if (UNLIKELY(thread->draining > 0))
        finish_drains(thread);
    return !TAILQ_EMPTY(&thread->turn);
}

static void *
thread_main(void *argument)
{
    struct thread *thread = argument;
    char name[16];

    snprintf(name, sizeof name, "data-%u", thread->index);
    pthread_setname_np(pthread_self(), name);
    loop_run(&thread->loop);
    return NULL;
}

/* ---- for the control thread ---- */

static void
wake_thread(void *context)
{
    struct thread *thread = context;

    loop_wake(&thread->loop);
}

static struct thread *
thread_create(uint32_t index, uint32_t count, uint32_t conn_max, uint32_t pipe_max)
{
    struct thread *thread = calloc(1, sizeof *thread);
    int rc;

    if (thread == NULL)
        return NULL;
    thread->index = index;
    thread->count = count;
    thread->conn_max = conn_max;
    LIST_INIT(&thread->apps);
    LIST_INIT(&thread->free_conns);
    LIST_INIT(&thread->closed_conns);
    TAILQ_INIT(&thread->turn);
    pipes_init(&thread->pipes, pipe_max);
    rc = loop_init(&thread->loop, on_wake, turned, thread);
    if (rc != 0) {
        free(thread);
        errno = -rc;
        return NULL;
    }
    mailbox_init(&thread->commands, wake_thread, thread);
    return thread;
}

static void
thread_destroy(struct thread *thread)
{
    struct thread_app *mine;

    while ((mine = LIST_FIRST(&thread->apps)) != NULL) {
        LIST_REMOVE(mine, link);
        free(mine->draining);
        free(mine->listeners);
        free(mine->snapshot);
        free(mine);
    }
    pipes_fini(&thread->pipes);
    slab_free(&thread->slabs);
    mailbox_fini(&thread->commands);
    loop_fini(&thread->loop);
    free(thread);
}

struct thread *
thread_start(uint32_t index, uint32_t count, uint32_t conn_max, uint32_t pipe_max,
             struct mailbox *replies)
{
    struct thread *thread = thread_create(index, count, conn_max, pipe_max);
    pthread_attr_t attributes;
    sigset_t all, before;
    int rc;

    if (thread == NULL)
        return NULL;
    thread->replies = replies;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, THREAD_STACK_BYTES);
    sigfillset(&all);       /* signals are the control thread's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&thread->pthread, &attributes, thread_main, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (rc != 0) {
        thread_destroy(thread);
        errno = rc;
        return NULL;
    }
    return thread;
}

void
thread_post(struct thread *thread, struct command *command)
{
    mailbox_put(&thread->commands, &command->mail);
}

void
thread_join(struct thread *thread)
{
    pthread_join(thread->pthread, NULL);
    thread_destroy(thread);
}
