/* loop - see loop.h. */
#include "proxy/worker/loop.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/util.h"

enum { EVENTS_PER_TURN = 256 };

static void
wake_ready(struct loop_io *io, uint32_t events)
{
    struct loop *loop = CONTAINER_OF(io, struct loop, wake);
    uint64_t count;

    (void)events;
    if (read(loop->wake_fd, &count, sizeof count) == (ssize_t)sizeof count)
        loop->on_wake(io, events);
}

/* Edge-triggered, so that nobody has to read it. */
static void
alarm_ready(struct loop_io *io, uint32_t events)
{
    struct loop *loop = CONTAINER_OF(io, struct loop, alarm);

    (void)events;
    loop->alarm_ms = 0;
}

/* A timer that was cancelled leaves the alarm as it is: it then wakes the loop once in vain. */
static void
set_alarm(struct loop *loop)
{
    int wait_ms = wheel_timeout_ms(&loop->wheel);
    uint64_t at_ms = loop->wheel.now_ms + (uint64_t)wait_ms;
    struct itimerspec when = { 0 };

    if (wait_ms < 0 || (loop->alarm_ms != 0 && loop->alarm_ms <= at_ms))
        return;
    when.it_value.tv_sec = (time_t)(at_ms / 1000);
    when.it_value.tv_nsec = (long)(at_ms % 1000) * 1000000;
    timerfd_settime(loop->alarm.fd, TFD_TIMER_ABSTIME, &when, NULL);
    loop->alarm_ms = at_ms;
}

static void
read_clock(struct loop *loop)
{
    loop->now_us = clock_monotonic_us();
    loop->now_ms = loop->now_us / 1000;
}

int
loop_init(struct loop *loop, loop_ready_fn *on_wake, loop_turned_fn *turned, void *context)
{
    int rc;

    memset(loop, 0, sizeof *loop);
    loop->on_wake = on_wake;
    loop->turned = turned;
    loop->context = context;
    loop->wake_fd = loop->alarm.fd = -1;
    read_clock(loop);
    wheel_init(&loop->wheel, loop->now_ms);
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0)
        return -errno;
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    loop->alarm.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (loop->wake_fd < 0 || loop->alarm.fd < 0) {
        rc = -errno;
        goto fail;
    }
    loop->wake.ready = wake_ready;
    loop->wake.fd = loop->wake_fd;
    loop->alarm.ready = alarm_ready;
    rc = loop_add(loop, &loop->wake, EPOLLIN);
    if (rc == 0)
        rc = loop_add(loop, &loop->alarm, EPOLLIN | EPOLLET);
    if (rc == 0)
        return 0;
fail:
    loop_fini(loop);
    return rc;
}

void
loop_fini(struct loop *loop)
{
    if (loop->wake_fd >= 0)
        close(loop->wake_fd);
    if (loop->alarm.fd >= 0)
        close(loop->alarm.fd);
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    loop->wake_fd = loop->alarm.fd = loop->epoll_fd = -1;
}

void
loop_run(struct loop *loop)
{
    struct epoll_event events[EVENTS_PER_TURN];

    while (!loop->stopping) {
        int count;

        set_alarm(loop);
        count = epoll_wait(loop->epoll_fd, events, EVENTS_PER_TURN, loop->busy ? 0 : -1);
        assert(count >= 0 || errno == EINTR);
        read_clock(loop);
        for (int i = 0; i < count; i++) {
            struct loop_io *io = events[i].data.ptr;

            if (LIKELY(io->ready != NULL))
                io->ready(io, events[i].events);
        }
        if (UNLIKELY(loop->wheel.now_ms != loop->now_ms))
            wheel_advance(&loop->wheel, loop->now_ms);
        loop->busy = loop->turned(loop->context);
    }
}

void
loop_stop(struct loop *loop)
{
    loop->stopping = true;
}

void
loop_wake(struct loop *loop)
{
    const uint64_t one = 1;
    ssize_t written = write(loop->wake_fd, &one, sizeof one);

    (void)written;      /* a full counter is a wake-up that is already under way */
}

static int
control(struct loop *loop, int operation, struct loop_io *io, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.ptr = io };

    return epoll_ctl(loop->epoll_fd, operation, io->fd, &event) < 0 ? -errno : 0;
}

int
loop_add(struct loop *loop, struct loop_io *io, uint32_t events)
{
    return control(loop, EPOLL_CTL_ADD, io, events);
}

int
loop_change(struct loop *loop, struct loop_io *io, uint32_t events)
{
    return control(loop, EPOLL_CTL_MOD, io, events);
}

void
loop_remove(struct loop *loop, struct loop_io *io)
{
    control(loop, EPOLL_CTL_DEL, io, 0);
}
