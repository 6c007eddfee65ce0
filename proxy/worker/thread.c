/* thread - see thread.h. */
#include "proxy/worker/thread.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/crash.h"
#include "base/util.h"
#include "proxy/worker/carry.h"
#include "proxy/worker/race.h"
#include "proxy/worker/slab.h"

enum { THREAD_STACK_BYTES = 256 * 1024, CACHE_LINE_BYTES = 64 };

/* ---- what a thread holds of an app ---- */

struct available_snapshot *
snapshot_create(const struct board *board)
{
    const struct available_set *set = board_available(board);

    return calloc(1, available_snapshot_bytes(available_set_endpoints_max(set)));
}

struct available_snapshot *
thread_app_use(struct thread_app *mine, const struct board *board, const struct traffic *traffic,
               struct available_snapshot *snapshot)
{
    struct available_snapshot *old = mine->snapshot;

    mine->snapshot = snapshot;
    mine->board = board;
    mine->traffic = traffic;
    mine->counters = traffic_counters(traffic, mine->thread->index);
    return old;
}

/* In cache lines of its own, for it is written at every connection. */
struct thread_app *
thread_app_create(struct worker_app *app, struct thread *thread, const struct board *board,
                  const struct traffic *traffic)
{
    const size_t bytes = (sizeof(struct thread_app) + CACHE_LINE_BYTES - 1) /
                         CACHE_LINE_BYTES * CACHE_LINE_BYTES;
    struct thread_app *mine = aligned_alloc(CACHE_LINE_BYTES, bytes);
    struct available_snapshot *snapshot = snapshot_create(board);

    if (mine == NULL || snapshot == NULL) {
        free(mine);
        free(snapshot);
        return NULL;
    }
    memset(mine, 0, sizeof *mine);
    mine->app = app;
    mine->thread = thread;
    LIST_INIT(&mine->conns);
    LIST_INIT(&mine->wards);
    mine->gone.type = COMMAND_GONE;
    mine->gone.app = app;
    thread_app_use(mine, board, traffic, snapshot);
    return mine;
}

void
thread_app_destroy(struct thread_app *mine)
{
    if (mine == NULL)
        return;
    assert(LIST_EMPTY(&mine->conns));
    free(mine->snapshot);
    free(mine);
}

/* ---- orders ---- */

/* The counters go on in the new page, so that no total ever falls; an endpoint keeps its slot
 * when a board grows. What the threads know of endpoints is learnt anew within a probe. */
static void
continue_page(const struct traffic *from, const struct traffic *to, uint32_t index)
{
    uint32_t slots = MIN(traffic_slots(from), traffic_slots(to));

    memcpy(traffic_counters(to, index), traffic_counters(from, index),
           sizeof(struct traffic_counters));
    for (uint32_t slot = 0; slot < slots; slot++)
        memcpy(traffic_tries(to, index, slot), traffic_tries(from, index, slot),
               sizeof(struct traffic_tries));
}

static void
change_board(struct thread *thread, struct command *command)
{
    struct thread_app *mine = command->app->threads[thread->index];

    continue_page(mine->traffic, command->traffic, thread->index);
    command->snapshot =
        thread_app_use(mine, command->board, command->traffic, command->snapshot);
}

static int
change_listener(struct thread *thread, const struct command *command,
                const struct change *change)
{
    switch (change->action) {
    case CHANGE_TAKE:
        return listen_take(change->listener, command->app->threads[thread->index],
                           change->port);
    case CHANGE_PARK:
        listen_park(thread, change->listener);
        break;
    case CHANGE_FINISH:
    case CHANGE_CLOSE:
        listen_close(thread, change->listener, change->action == CHANGE_FINISH);
        break;
    }
    return 0;
}

/* The clients come to the new generation before the old one's connections do. */
static int
switch_apps(struct thread *thread, const struct command *command)
{
    const uint32_t index = thread->index;
    const struct change *change;
    int result = 0;

    thread->conn_max = command->conn_max;
    STAILQ_FOREACH(change, &command->changes, link) {
        int rc = change_listener(thread, command, change);

        if (rc != 0)
            result = rc;
    }
    if (command->leaving == NULL)
        return result;
    if (command->app != NULL)
        carry_over(command->leaving->threads[index], command->app->threads[index]);
    drain_begin(command->leaving->threads[index], command->limit_ms, command->app != NULL);
    return result;
}

/* The time that the old one had left is the new one's. */
static void
follow(struct thread *thread, const struct command *command)
{
    struct thread_app *from = command->leaving->threads[thread->index];
    struct thread_app *to = command->app->threads[thread->index];
    uint64_t left_ms = drain_time_left(from);

    carry_over(from, to);
    drain_begin(to, left_ms, false);
    drain_begin(from, command->limit_ms, true);
}

/* ---- the loop ---- */

static void
execute(struct thread *thread, struct command *command)
{
    command->thread = thread->index;
    switch (command->type) {
    case COMMAND_SWITCH:
        command->result = switch_apps(thread, command);
        break;
    case COMMAND_FOLLOW:
        follow(thread, command);
        break;
    case COMMAND_BOARD:
        change_board(thread, command);
        break;
    case COMMAND_EXIT:
        loop_stop(&thread->loop);
        break;
    case COMMAND_PING:
    case COMMAND_GONE:
        break;
    }
    STAILQ_INSERT_TAIL(&thread->answers, &command->mail, link);
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
send_answers(struct thread *thread)
{
    struct mail *mail;

    while ((mail = STAILQ_FIRST(&thread->answers)) != NULL) {
        STAILQ_REMOVE_HEAD(&thread->answers, link);
        mailbox_put(thread->replies, mail);
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
    if (UNLIKELY(!SLIST_EMPTY(&thread->left)))
        drain_tell(thread);
    if (UNLIKELY(!STAILQ_EMPTY(&thread->answers)))
        send_answers(thread);
    return !TAILQ_EMPTY(&thread->turn);
}

static void *
thread_main(void *argument)
{
    struct thread *thread = argument;
    char name[16];

    snprintf(name, sizeof name, "data-%u", thread->index);
    pthread_setname_np(pthread_self(), name);
    crash_handler_thread();
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
thread_create(uint32_t index, uint32_t pipe_max)
{
    struct thread *thread = calloc(1, sizeof *thread);
    int rc;

    if (thread == NULL)
        return NULL;
    thread->index = index;
    LIST_INIT(&thread->muted);
    SLIST_INIT(&thread->left);
    STAILQ_INIT(&thread->answers);
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
    pipes_fini(&thread->pipes);
    slab_free(&thread->slabs);
    mailbox_fini(&thread->commands);
    loop_fini(&thread->loop);
    free(thread);
}

struct thread *
thread_start(uint32_t index, uint32_t pipe_max, struct mailbox *replies)
{
    struct thread *thread = thread_create(index, pipe_max);
    pthread_attr_t attributes;
    sigset_t faults, most, before;
    int rc;

    if (thread == NULL)
        return NULL;
    thread->replies = replies;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, THREAD_STACK_BYTES);
    crash_signals(&faults);
    sigfillset(&most);      /* all others are the control thread's */
    for (int i = 1; i < NSIG; i++) {
        if (sigismember(&faults, i) == 1)
            sigdelset(&most, i);
    }
    pthread_sigmask(SIG_SETMASK, &most, &before);
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
