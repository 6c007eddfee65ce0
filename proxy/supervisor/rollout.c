#include "proxy/supervisor/rollout.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "proxy/supervisor/acquire.h"
#include "proxy/supervisor/attention.h"
#include "proxy/supervisor/children.h"
#include "proxy/supervisor/commit.h"
#include "proxy/supervisor/follow.h"
#include "proxy/supervisor/holds.h"
#include "proxy/supervisor/journal.h"
#include "proxy/supervisor/prober_link.h"
#include "proxy/supervisor/rollout_group.h"
#include "proxy/supervisor/serve.h"
#include "proxy/supervisor/supervisor.h"
#include "proxy/supervisor/worker_link.h"

enum {
    LOAD_MAX_MS = 30000,        /* until its worker has loaded it */
    LOSSES_MAX = 3,             /* workers that ended with it: it may be the cause */
    RETRY_MS = 1000,            /* of an app that has nothing else to serve with */
};

struct rollout {
    struct supervisor *supervisor;
    struct app **members;       /* owned array of borrowed apps */
    size_t count;
    struct event *deadline;     /* owned */
    uint64_t begun_at_ms;       /* CLOCK_MONOTONIC */
    uint32_t losses;
    bool hand_over;             /* the same generation, in another worker */
};

void
rollout_want(struct app *app)
{
    if (app->pending)
        return;
    app->pending = true;
    app->supervisor->groups_formed = false;
    TAILQ_INSERT_TAIL(&app->supervisor->pending, app, of_pending);
    app_settle(app);
}

static void
rollout_free(struct rollout *rollout)
{
    for (size_t i = 0; i < rollout->count; i++) {
        rollout->members[i]->rolling = NULL;
        rollout->members[i]->rolling_ready = false;
    }
    event_free(rollout->deadline);
    free(rollout->members);
    free(rollout);
}

/* ---- how it ends without success ---- */

/* `next` is given back by everybody; the object stays. */
static void
withdraw_next(struct app *app)
{
    struct app_generation *next = app->next;
    struct worker *worker = next->worker;
    bool own_board = app->current == NULL || app->current->pages == NULL ||
                     next->pages == NULL || next->pages->board != app->current->pages->board;

    app->next = NULL;
    app->next_health = (struct control_health){ 0 };
    if (worker != NULL && next->load != LOAD_NONE)
        worker_link_drain(next, 0);
    if (own_board)
        prober_link_unload(next);
    generation_assign(next, NULL);
    generation_release(next);
    next->loaded_before = false;
    app->next = next;
    if (worker != NULL)
        worker_release(worker);
}

/* It is tried again at a reload, and when the file changes. */
static void
refuse(struct app *app, struct app_generation *generation)
{
    if (app->refused.stepping_back) {       /* what runs is what is configured */
        store_forget_override(app->supervisor->store, app->name, "");
        app_forget_refused(app);
        journal_settle(app);
        return;
    }
    if (app->refused.pinned)
        return;
    app_forget_refused(app);
    app->refused = (struct refused){ .text = generation->text, .source = generation->source,
                                     .number = generation->number };
    attention_to(app);
    generation->text = NULL;
    generation->source = NULL;
}

static void
fail_member(struct app *app, const char *outcome, const char *reason, bool hand_over)
{
    struct app_generation *next = app->next;
    bool rolled_back = strcmp(outcome, "rolled_back") == 0;

    event_write(app->supervisor, LOG_ERROR, app->name, hand_over ? "hand_over_failed" : outcome,
                hand_over ? "it stays with its worker: %s"
                : app->current != NULL
                    ? (rolled_back ? "goes back to what it ran before: %s"
                                   : "its new configuration is not used: %s")
                    : "cannot serve: %s; it is tried again",
                reason);
    if (!hand_over)
        journal_close(app, outcome, reason);
    if (next == NULL)
        return;
    withdraw_next(app);
    app->next = NULL;
    if (app->current == NULL) {     /* nothing else could serve: it goes on trying alone */
        app->current = next;
        app->failure = -EPROTO;
        app_enter(app, APP_FAILED);
        app_arm(app, RETRY_MS);
        return;
    }
    if (!hand_over) {
        journal_failed(app, next->number, next->text->bytes, next->source, reason);
        refuse(app, next);
    }
    generation_destroy(next);
    prober_link_grow(app);
}

static void
fail(struct rollout *rollout, const struct app *culprit, const char *outcome,
     const char *reason)
{
    struct supervisor *supervisor = rollout->supervisor;
    size_t count = rollout->count;
    bool hand_over = rollout->hand_over;
    struct app **members = rollout->members;

    supervisor_hush(supervisor);
    rollout->members = NULL;
    for (size_t i = 0; i < count; i++) {
        members[i]->rolling = NULL;
        members[i]->rolling_ready = false;
    }
    rollout->count = 0;
    rollout_free(rollout);
    for (size_t i = 0; i < count; i++) {
        char why[APP_REASON_BYTES];

        snprintf(why, sizeof why, "app %s, with which ports are exchanged: %.128s",
                 culprit->name, reason);
        fail_member(members[i], outcome, members[i] == culprit ? reason : why, hand_over);
        app_settle(members[i]);
        holds_tell(members[i]);
    }
    free(members);
    if (hand_over)                  /* who hands all of a worker over walks over them */
        event_active(supervisor->resume_rollouts, EV_TIMEOUT, 0);
    else
        rollouts_start(supervisor);
    supervisor_speak(supervisor);
}

void
rollout_fail(struct app *app, const char *outcome, const char *reason)
{
    char kept[APP_REASON_BYTES];

    if (app->rolling == NULL)
        return;
    snprintf(kept, sizeof kept, "%s", reason);      /* it may lie in what ends now */
    fail(app->rolling, app, outcome, kept);
}

void
rollout_abort(struct app *app)
{
    struct rollout *rollout = app->rolling;

    if (rollout == NULL)
        return;
    supervisor_hush(app->supervisor);
    for (size_t i = 0; i < rollout->count; i++) {
        struct app *member = rollout->members[i];
        struct app_generation *next = member->next;

        member->rolling = NULL;
        if (!rollout->hand_over)
            journal_close(member, "failed", "a newer change came before it was done");
        if (next == NULL) {
            rollout_want(member);
            continue;
        }
        withdraw_next(member);
        member->next = NULL;
        if (member->wanted == NULL && !rollout->hand_over) {
            member->wanted = next;
            rollout_want(member);
        } else {
            generation_destroy(next);
        }
        app_settle(member);
    }
    if (rollout->hand_over)
        app->supervisor->workers_unsettled = true;      /* it is tried again */
    rollout_free(rollout);
    supervisor_speak(app->supervisor);
}

void
rollout_lost(struct app *app, bool was_sent)
{
    const struct timeval now = { 0 };

    if (app->rolling == NULL)
        return;
    app->rolling_ready = false;
    app->next->loaded_before = false;       /* its page is as good as new: nobody was served */
    if (was_sent && ++app->rolling->losses >= LOSSES_MAX)
        evtimer_add(app->rolling->deadline, &now);      /* not under the caller's hands */
}

/* ---- its steps ---- */

static uint32_t
endpoints_needed(const struct app *app)
{
    uint32_t wanted = app->next->config.ready_min_available;

    /* An edit during an outage must not be refused for the outage. */
    return app->current == NULL ? MAX(wanted, 1) : MIN(wanted, app->health.available);
}

static bool
is_ready(const struct app *app, const struct rollout *rollout)
{
    uint64_t waited_ms = clock_monotonic_ms() - rollout->begun_at_ms;

    if (app->next->load != LOAD_DONE)
        return false;
    if (rollout->hand_over)
        return true;
    if (app->current == NULL)
        return readiness_may_accept(&app->next_health, app->next->config.ready_min_available,
                                    waited_ms, app->next->config.ready_timeout_ms);
    return app->next_health.available >= endpoints_needed(app) &&
           (app->next_health.total > 0 || app->next->config.target_count == 0);
}

bool
rollout_may_load(const struct app *app)
{
    const struct app_generation *next = app->next, *current = app->current;

    return next != NULL && app->rolling != NULL && next->pages != NULL &&
           next->load == LOAD_NONE && !next->for_worker && next->worker->there &&
           (current == NULL || current->worker != next->worker || current->load >= LOAD_DONE);
}

/* The last step that can fail: another program may have been faster at a port. */
static bool
open_ports(const struct rollout *rollout)
{
    char why[APP_REASON_BYTES];

    for (size_t i = 0; i < rollout->count; i++) {
        struct app *app = rollout->members[i];

        if (app->next != NULL && acquire_listen(app->next, why) < 0) {
            rollout_fail(app, "failed", why);
            return false;
        }
    }
    return true;
}

static void
commit(struct rollout *rollout)
{
    struct supervisor *supervisor = rollout->supervisor;
    struct app **members = rollout->members;
    size_t count = rollout->count;
    bool hand_over = rollout->hand_over;

    if (!open_ports(rollout))
        return;
    rollout->members = NULL;
    for (size_t i = 0; i < count; i++)
        members[i]->rolling = NULL;
    rollout->count = 0;
    rollout_free(rollout);
    commit_group(supervisor, members, count, hand_over);
    free(members);
    follow_send(supervisor);
    rollouts_start(supervisor);
}

void
rollout_advance(struct app *app)
{
    struct rollout *rollout = app->rolling;

    if (rollout == NULL)
        return;
    if (rollout_may_load(app))
        worker_link_load(app->next);
    if (app->rolling != rollout)
        return;                     /* it could not be sent */
    app->rolling_ready = app->next == NULL || is_ready(app, rollout);
    for (size_t i = 0; i < rollout->count; i++) {
        if (!rollout->members[i]->rolling_ready)
            return;
    }
    commit(rollout);
}

/* A new app may begin without being ready when its time is up. True: that was the end of it. */
static bool
look_again(struct rollout *rollout)
{
    bool all = true;

    for (size_t i = 0; i < rollout->count; i++) {
        struct app *app = rollout->members[i];

        app->rolling_ready = app->next == NULL || is_ready(app, rollout);
        all = all && app->rolling_ready;
    }
    if (all)
        commit(rollout);
    return all;
}

static void
on_deadline(evutil_socket_t fd, short what, void *context)
{
    struct rollout *rollout = context;
    const struct timeval more = { .tv_sec = LOAD_MAX_MS / 1000 };
    uint64_t waited_ms = clock_monotonic_ms() - rollout->begun_at_ms;
    char why[APP_REASON_BYTES];

    if (look_again(rollout))
        return;
    for (size_t i = 0; i < rollout->count; i++) {
        struct app *app = rollout->members[i];

        if (app->rolling_ready)
            continue;
        if (rollout->losses >= LOSSES_MAX) {
            rollout_fail(app, "failed", "its worker ended each time that it was loaded");
            return;
        }
        if (app->next->load != LOAD_DONE && waited_ms < LOAD_MAX_MS) {
            evtimer_add(rollout->deadline, &more);
            return;
        }
        if (app->next->load != LOAD_DONE)
            snprintf(why, sizeof why, "the worker has not loaded it in %d s%s%s",
                     LOAD_MAX_MS / 1000,
                     app->next->worker->last_end[0] != '\0' ? ": the last one ended with " : "",
                     app->next->worker->last_end);
        else
            snprintf(why, sizeof why,
                     "not ready: %u of %u endpoints available, %u needed, after %" PRIu64 " ms",
                     app->next_health.available, app->next_health.total, endpoints_needed(app),
                     waited_ms);
        rollout_fail(app, app->next->load == LOAD_DONE ? "rolled_back" : "failed", why);
        return;
    }
}

/* ---- its beginning ---- */

/* A port of another app: it is in the same rollout, and will not have it any more. */
static bool
may_share(const void *context, const struct listen_port *port)
{
    const struct rollout *rollout = context;
    const struct app *holder = port->holder;

    return holder->rolling == rollout &&
           (holder->removed || rollout_group_frees(holder, &port->address));
}

/* The one that serves it now, unless that does not understand us. */
static struct worker *
worker_for(const struct app *app)
{
    struct worker *worker = app->current != NULL ? app->current->worker : acquire_worker(app->next);

    if (worker == NULL || worker->child == NULL || child_speaks(worker->child))
        return worker;
    return acquire_worker(app->next);
}

static int
begin_member(struct rollout *rollout, struct app *app, char *why)
{
    struct app_generation *next = app->next;
    int rc;

    if (next == NULL)
        return 0;
    rc = acquire_ports(next, may_share, rollout, why);
    if (rc == 0 && app->current == NULL)
        rc = acquire_listen(next, why);         /* a first start: its clients wait */
    if (rc == 0)
        rc = acquire_pages(next, worker_for(app), why);
    if (rc == 0)
        prober_link_load(next);
    return rc;
}

static uint32_t
longest_ready_ms(const struct rollout *rollout)
{
    uint32_t longest_ms = 1;

    for (size_t i = 0; i < rollout->count; i++) {
        if (rollout->members[i]->next != NULL)
            longest_ms = MAX(longest_ms, rollout->members[i]->next->config.ready_timeout_ms);
    }
    return longest_ms;
}

static void
arm_deadline(struct rollout *rollout)
{
    uint32_t wait_ms = longest_ready_ms(rollout);
    const struct timeval wait = { .tv_sec = wait_ms / 1000,
                                  .tv_usec = wait_ms % 1000 * 1000 };

    evtimer_add(rollout->deadline, &wait);
}

/* Takes `members` (an array on the heap) over. NULL without memory. */
static struct rollout *
rollout_create(struct supervisor *supervisor, struct app **members, size_t count)
{
    struct rollout *rollout = calloc(1, sizeof *rollout);

    if (rollout != NULL)
        rollout->deadline = evtimer_new(supervisor->base, on_deadline, rollout);
    if (rollout == NULL || rollout->deadline == NULL) {
        log_error(NULL, "no memory for a rollout of %zu apps", count);
        free(rollout);
        free(members);
        return NULL;
    }
    rollout->supervisor = supervisor;
    rollout->members = members;
    rollout->count = count;
    rollout->begun_at_ms = clock_monotonic_ms();
    for (size_t i = 0; i < count; i++) {
        members[i]->rolling = rollout;
        members[i]->rolling_ready = false;
    }
    return rollout;
}

/* One that serves nothing, whatever it was before (held back, failed, on its way out). */
static void
begin_life(struct app *app)
{
    if (app->current != NULL || app->next == NULL)
        return;
    app->served = false;
    app->failure = 0;
    if (app->state != APP_NEW)
        app_enter(app, APP_NEW);
}

static void
begin_group(struct supervisor *supervisor, struct app **members, size_t count)
{
    struct rollout *rollout = rollout_create(supervisor, members, count);
    char why[APP_REASON_BYTES];

    if (rollout == NULL)
        return;                     /* no memory: a reload tries it again */
    for (size_t i = 0; i < count; i++) {
        struct app *app = members[i];

        app->next = app->wanted;
        app->wanted = NULL;
        app->begun_at_ms = rollout->begun_at_ms;
        begin_life(app);
        journal_open(app, app->next != NULL ? app->next->number : 0);
        app_settle(app);
    }
    for (size_t i = 0; i < count; i++) {
        struct app *app = members[i];

        if (begin_member(rollout, app, why) < 0) {
            rollout_fail(app, "failed", why);
            return;
        }
    }
    arm_deadline(rollout);
    for (size_t i = count; i > 0; i--) {    /* the last one may end the rollout */
        struct app *app = members[i - 1];
        bool last = i == 1;

        rollout_advance(app);
        if (last || app->rolling != rollout)
            return;
    }
}

/* Nothing of it serves, and it needs nobody else: its own way. */
static void
begin_alone(struct app *app)
{
    if (app->wanted == NULL) {
        commit_removal(app);
        return;
    }
    app->current = app->wanted;
    app->wanted = NULL;
    app->rollout.outcome[0] = '\0';
    app->rollout.started_at_ms = 0;
    app->failure = 0;
    app->retry_ms = 0;
    app->served = false;
    if (app->state != APP_NEW)
        app_enter(app, APP_NEW);
    serve_begin(app);
}

static void
start_group(struct supervisor *supervisor, struct app **members, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct app *app = members[i];

        TAILQ_REMOVE(&supervisor->pending, app, of_pending);
        app->pending = false;
        /* What never served makes room for what is newer. */
        if (app->current != NULL && !app->served) {
            struct app_generation *never = app->current;

            commit_drop_current(app);
            generation_destroy(never);
        }
    }
    if (count == 1 && members[0]->current == NULL) {
        struct app *app = members[0];

        free(members);
        begin_alone(app);
    } else if (count == 1 && members[0]->wanted == NULL && members[0]->removed) {
        struct app *app = members[0];

        free(members);
        commit_removal(app);
    } else {
        begin_group(supervisor, members, count);
    }
}

void
rollouts_start(struct supervisor *supervisor)
{
    struct app **members;
    size_t count;

    if (supervisor->shutdown != NULL || supervisor->starting_rollouts || supervisor->applying)
        return;                     /* whoever does it comes here at its end */
    supervisor->groups_formed = false;
    supervisor->starting_rollouts = true;       /* what begins may end at once, and come here */
    while (supervisor->loading < ROLLOUTS_LOADING_MAX &&
           rollout_group_next(supervisor, &members, &count))
        start_group(supervisor, members, count);
    supervisor->starting_rollouts = false;
    supervisor_settled(supervisor);
}

void
rollouts_cancel(struct supervisor *supervisor)
{
    struct app *app;

    for (app = supervisor->apps; app != NULL; app = app->hh.next)
        rollout_abort(app);
    while ((app = TAILQ_FIRST(&supervisor->pending)) != NULL) {
        TAILQ_REMOVE(&supervisor->pending, app, of_pending);
        app->pending = false;
        app_settle(app);
    }
}

void
rollouts_loaded(struct supervisor *supervisor)
{
    static const struct timeval now;

    assert(supervisor->loading > 0);
    if (--supervisor->loading == ROLLOUTS_LOADING_MAX / 2 && !TAILQ_EMPTY(&supervisor->pending))
        evtimer_add(supervisor->resume_rollouts, &now);
}

/* ---- to another worker ---- */

static bool
belongs_elsewhere(const struct app *app)
{
    char name[APP_NAME_BYTES];

    workers_name(app->supervisor, &app->current->config, name);
    return app->current->worker->retired || strcmp(name, app->current->worker->name) != 0;
}

bool
rollout_hand_over(struct app *app)
{
    struct app **members;
    struct rollout *rollout;
    char why[APP_REASON_BYTES];

    if (app->supervisor->shutdown != NULL || app->current->worker == NULL ||
        !belongs_elsewhere(app))
        return true;
    if (app->state != APP_SERVING || app->rolling != NULL || app->pending ||
        app->current->pages_next != NULL || app->current->pages_old != NULL)
        return false;
    members = calloc(1, sizeof(struct app *));
    app->next = members == NULL ? NULL : generation_clone(app->current);
    if (app->next == NULL) {
        free(members);
        log_error(app->name, "no memory to hand it over");
        return true;
    }
    members[0] = app;
    rollout = rollout_create(app->supervisor, members, 1);
    if (rollout == NULL) {
        generation_destroy(app->next);
        app->next = NULL;
        return true;
    }
    rollout->hand_over = true;
    app_settle(app);
    if (acquire_from(app->next, app->current, acquire_worker(app->next), why) < 0) {
        rollout_fail(app, "failed", why);
        return true;
    }
    arm_deadline(rollout);
    rollout_advance(app);
    return true;
}
