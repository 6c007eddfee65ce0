/* drain - see drain.h. */
#include "proxy/worker/drain.h"

#include <assert.h>

#include "base/util.h"
#include "proxy/worker/carry.h"
#include "proxy/worker/thread.h"

enum { RAMP_SHARE = 3, RAMP_TICK_MS = 10 };

static bool
spared(const struct thread_app *app, const struct conn *conn)
{
    return app->spares_late && app->late > 0 && conn->race != NULL;
}

static uint32_t
closable(const struct thread_app *app)
{
    return app->conn_count - (app->spares_late ? app->late : 0);
}

static void
close_down_to(struct thread_app *app, uint32_t keep)
{
    struct conn *conn = LIST_FIRST(&app->conns);

    while (conn != NULL && closable(app) > keep) {
        struct conn *next = LIST_NEXT(conn, link);

        if (!spared(app, conn))
            conn_close(conn, CLOSE_DRAIN_TIMEOUT, true);
        conn = next;
    }
}

/* What may be left at this moment, so that it falls on a straight line to nothing. */
static uint32_t
allowed(const struct thread_app *app, uint64_t left_ms)
{
    return (uint32_t)(((uint64_t)app->ramp_count * left_ms + app->ramp_ms - 1) / app->ramp_ms);
}

static void
ramp(struct wheel_timer *timer)
{
    struct thread_app *app = CONTAINER_OF(timer, struct thread_app, drain_timer);
    uint64_t now_ms = app->thread->loop.now_ms;
    uint64_t left_ms = app->end_ms - MIN(now_ms, app->end_ms);

    if (app->ramp_count == 0) {         /* it begins; one that came late sees the rest of it */
        app->ramp_count = MAX(closable(app), 1u);
        app->ramp_ms = MAX(left_ms, (uint64_t)1);
    }
    close_down_to(app, allowed(app, left_ms));
    if (left_ms > 0 && app->conn_count > 0)
        wheel_arm(&app->thread->loop.wheel, timer,
                  MIN(app->end_ms,
                      now_ms + MAX(app->ramp_ms / app->ramp_count, (uint64_t)RAMP_TICK_MS)));
}

bool
drain_is_over(const struct thread_app *app)
{
    return app->leaving && app->thread->loop.now_ms >= app->end_ms;
}

uint64_t
drain_time_left(const struct thread_app *app)
{
    uint64_t now_ms = app->thread->loop.now_ms;

    assert(app->leaving);
    return app->end_ms == DRAIN_NEVER ? DRAIN_NEVER : app->end_ms - MIN(now_ms, app->end_ms);
}

void
drain_begin(struct thread_app *app, uint64_t limit_ms, bool spare_late)
{
    struct wheel *wheel = &app->thread->loop.wheel;
    uint64_t now_ms = app->thread->loop.now_ms;
    uint64_t end_ms = limit_ms == DRAIN_NEVER ? DRAIN_NEVER : now_ms + limit_ms;

    if (app->left || (app->leaving && end_ms >= app->end_ms && spare_late == app->spares_late))
        return;
    /* Only those who were spared are left after the end: they get the new one. */
    app->end_ms = app->leaving && !drain_is_over(app) ? MIN(end_ms, app->end_ms) : end_ms;
    app->spares_late = spare_late;
    app->leaving = true;
    app->ramp_count = 0;
    app->drain_timer.fire = ramp;
    wheel_cancel(wheel, &app->drain_timer);
    if (app->end_ms <= now_ms)
        close_down_to(app, 0);
    else if (app->end_ms != DRAIN_NEVER)
        wheel_arm(wheel, &app->drain_timer, app->end_ms - (app->end_ms - now_ms) / RAMP_SHARE);
    drain_check(app);
}

void
drain_check(struct thread_app *app)
{
    struct thread_app *heir = app->heir;

    if (app->announced && app->late == 0 && app->expected == 0) {
        app->announced = false;
        heir->expected--;
        drain_check(heir);
    }
    if (!app->leaving || app->left || app->conn_count > 0 || app->expected > 0)
        return;
    app->left = true;
    SLIST_INSERT_HEAD(&app->thread->left, app, left_link);
}

void
drain_tell(struct thread *thread)
{
    struct thread_app *app;

    while ((app = SLIST_FIRST(&thread->left)) != NULL) {
        assert(app->conn_count == 0 && app->expected == 0 && !app->announced);
        SLIST_REMOVE_HEAD(&thread->left, left_link);
        wheel_cancel(&thread->loop.wheel, &app->drain_timer);
        carry_rest(app);
        mailbox_put(thread->replies, &app->gone.mail);  /* the last use: it may be freed now */
    }
}
