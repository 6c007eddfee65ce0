#include "probes/trickle.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <unistd.h>

#include "base/clock.h"

enum { WINDOW_US = 10000, WINDOW_BYTES = 65536, WINDOW_READS = 64 };

void
trickle_stop(struct trickle *trickle)
{
    if (trickle->base == NULL)
        return;
    event_del(&trickle->event);
    close(trickle->fd);
    trickle->base = NULL;
}

/* One read: false when there is no more to be read now, or at all. */
static bool
read_once(struct trickle *trickle)
{
    char bytes[TRICKLE_READ_BYTES];
    ssize_t got = read(trickle->fd, bytes, sizeof bytes);

    if (got > 0) {
        trickle->bytes += (uint32_t)got;
        trickle->reads++;
        return trickle->on_bytes(trickle->context, bytes, (size_t)got);
    }
    if (got < 0 && errno == EINTR)
        return true;
    if (got < 0 && errno == EAGAIN)
        return false;
    trickle_stop(trickle);
    trickle->on_bytes(trickle->context, bytes, 0);
    return false;
}

static bool
may_read(struct trickle *trickle)
{
    uint64_t now_us = clock_monotonic_us();

    if (now_us - trickle->window_us >= WINDOW_US) {
        trickle->window_us = now_us;
        trickle->bytes = trickle->reads = 0;
    }
    return trickle->bytes < WINDOW_BYTES && trickle->reads < WINDOW_READS;
}

static void on_event(evutil_socket_t fd, short what, void *context);

/* Waits for more, or for the next window when this one is used up. */
static int
wait_for_more(struct trickle *trickle)
{
    static const struct timeval pause = { .tv_usec = WINDOW_US };
    bool paused = !may_read(trickle);

    if (event_assign(&trickle->event, trickle->base, paused ? -1 : trickle->fd,
                     paused ? 0 : EV_READ, on_event, trickle) < 0 ||
        event_add(&trickle->event, paused ? &pause : NULL) < 0)
        return -ENOMEM;
    return 0;
}

static void
on_event(evutil_socket_t fd, short what, void *context)
{
    struct trickle *trickle = context;

    while (may_read(trickle)) {
        if (!read_once(trickle))
            break;
    }
    if (trickle->base == NULL || wait_for_more(trickle) == 0)
        return;
    trickle_stop(trickle);
    trickle->on_bytes(trickle->context, NULL, 0);
}

int
trickle_start(struct trickle *trickle, struct event_base *base, int fd,
              trickle_bytes_fn *on_bytes, void *context)
{
    int rc;

    assert(trickle->base == NULL);
    *trickle = (struct trickle){ .base = base, .fd = fd, .on_bytes = on_bytes,
                                 .context = context };
    rc = wait_for_more(trickle);
    if (rc == 0)
        return 0;
    trickle->base = NULL;
    close(fd);
    return rc;
}

void
trickle_drain(struct trickle *trickle)
{
    trickle->bytes = 0;
    while (trickle->base != NULL && trickle->bytes < WINDOW_BYTES) {
        if (!read_once(trickle))
            break;
    }
}
