/* The backlog is a list of blocks, each large enough that malloc(3) maps it by itself and gives it
 * back when it is free: nothing of a busy start stays, and nothing is copied as it grows. */
#include "probes/history.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/control_peer.h"
#include "base/log.h"
#include "base/util.h"

enum {
    BLOCK_RECORDS = 256,
    FLUSH_BATCH = 256,          /* records a turn of the loop: probes want their turn too */
    WAIT_MIN_MS = 1,
    WAIT_MAX_MS = 8,
};

struct block {
    TAILQ_ENTRY(block) link;
    uint32_t first, end;            /* records that are kept: from first, before end */
    struct record records[BLOCK_RECORDS];
};

struct history {
    struct control_peer *peer;      /* borrowed; NULL: nobody listens */
    TAILQ_HEAD(block_list, block) backlog;  /* owned; the oldest first, none is empty */
    uint32_t count;                 /* of records in it */
    uint64_t dropped, dropped_told;
    struct event *more;             /* owned; the rest of the backlog */
    uint32_t wait_ms;               /* for the supervisor to read */
};

static const struct record *
oldest(const struct history *history)
{
    const struct block *block = TAILQ_FIRST(&history->backlog);

    return &block->records[block->first];
}

static void
forget_oldest(struct history *history)
{
    struct block *block = TAILQ_FIRST(&history->backlog);

    assert(history->count > 0);
    history->count--;
    if (++block->first < block->end)
        return;
    TAILQ_REMOVE(&history->backlog, block, link);
    free(block);
}

/* A block with room for one more; NULL without memory. */
static struct block *
room(struct history *history)
{
    struct block *block = TAILQ_LAST(&history->backlog, block_list);

    if (block != NULL && block->end < BLOCK_RECORDS)
        return block;
    block = malloc(sizeof *block);
    if (block == NULL)
        return NULL;
    block->first = block->end = 0;
    TAILQ_INSERT_TAIL(&history->backlog, block, link);
    return block;
}

static void
keep(struct history *history, const struct record *record)
{
    struct block *block;

    if (history->count == HISTORY_BACKLOG_MAX) {
        forget_oldest(history);
        history->dropped++;
    }
    block = room(history);
    if (block == NULL) {
        history->dropped++;
        return;
    }
    block->records[block->end++] = *record;
    history->count++;
}

/* 0 when it went off: what the supervisor has no time for now is better kept here. */
static int
deliver(struct history *history, const struct record *record)
{
    struct control_message message = {
        .magic = CONTROL_MAGIC,
        .type = CONTROL_RECORD,
        .body.record = *record,
    };

    if (control_peer_queued(history->peer) > 0)
        return -EAGAIN;
    return control_peer_send(history->peer, &message, NULL, 0);
}

static void
tell_dropped(struct history *history)
{
    struct record record = { .kind = RECORD_EVENT, .at_ms = clock_wall_ms() };
    struct record_event *row = &record.of.event;

    if (history->dropped == history->dropped_told)
        return;
    snprintf(row->kind, sizeof row->kind, "history_lost");
    snprintf(row->level, sizeof row->level, "%s", log_level_name(LOG_WARN));
    snprintf(row->message, sizeof row->message,
             "%" PRIu64 " records of probes and states were lost: while no supervisor took them "
             "only the last %d were kept",
             history->dropped - history->dropped_told, HISTORY_BACKLOG_MAX);
    if (deliver(history, &record) < 0)
        return;
    log_warn(NULL, "%s", row->message);
    history->dropped_told = history->dropped;
}

static void
flush_later(struct history *history, bool at_once)
{
    struct timeval wait = { 0, 0 };

    history->wait_ms =
        at_once ? 0 : MIN(MAX(history->wait_ms * 2, WAIT_MIN_MS), WAIT_MAX_MS);
    wait.tv_usec = (suseconds_t)history->wait_ms * 1000;
    event_add(history->more, &wait);
}

static void
flush(struct history *history)
{
    uint32_t sent = 0;

    while (sent < FLUSH_BATCH && history->count > 0 &&
           deliver(history, oldest(history)) == 0) {
        forget_oldest(history);
        sent++;
    }
    if (history->count > 0) {
        flush_later(history, sent == FLUSH_BATCH);
        return;
    }
    tell_dropped(history);
    if (history->dropped != history->dropped_told)
        flush_later(history, false);
}

static void
on_more(evutil_socket_t fd, short what, void *context)
{
    flush(context);
}

struct history *
history_create(struct event_base *base)
{
    struct history *history = calloc(1, sizeof *history);

    if (history == NULL)
        return NULL;
    TAILQ_INIT(&history->backlog);
    history->more = evtimer_new(base, on_more, history);
    if (history->more != NULL)
        return history;
    free(history);
    return NULL;
}

void
history_destroy(struct history *history)
{
    event_free(history->more);
    while (history->count > 0)
        forget_oldest(history);
    free(history);
}

void
history_attach(struct history *history, struct control_peer *peer)
{
    history->peer = peer;
    flush(history);
}

void
history_detach(struct history *history)
{
    history->peer = NULL;
    event_del(history->more);
}

void
history_send(struct history *history, const struct record *record)
{
    /* None overtakes those that are kept. */
    if (history->peer != NULL && history->count == 0 && deliver(history, record) == 0)
        return;
    keep(history, record);
    if (history->peer != NULL && !event_pending(history->more, EV_TIMEOUT, NULL))
        flush_later(history, false);
}

uint32_t
history_kept(const struct history *history)
{
    return history->count;
}

uint64_t
history_dropped(const struct history *history)
{
    return history->dropped;
}
