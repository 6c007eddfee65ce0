/* The backlog is a ring that grows by doubling: most supervisors never leave. */
#include "probes/history.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/control_peer.h"
#include "base/util.h"

enum { BACKLOG_MIN = 64 };

struct history {
    struct control_peer *peer;      /* borrowed; NULL: nobody listens */
    struct record *backlog;         /* owned; the oldest at `first` */
    uint32_t first, count, room;
    uint64_t dropped;
};

struct history *
history_create(void)
{
    return calloc(1, sizeof(struct history));
}

void
history_destroy(struct history *history)
{
    free(history->backlog);
    free(history);
}

/* A ring twice as large, unrolled; without memory the old one stays. */
static void
grow(struct history *history)
{
    uint32_t room = MAX(history->room * 2, BACKLOG_MIN);
    struct record *backlog = malloc(room * sizeof *backlog);

    if (backlog == NULL)
        return;
    for (uint32_t i = 0; i < history->count; i++)
        backlog[i] = history->backlog[(history->first + i) % history->room];
    free(history->backlog);
    history->backlog = backlog;
    history->first = 0;
    history->room = room;
}

static void
keep(struct history *history, const struct record *record)
{
    if (history->count == history->room && history->room < HISTORY_BACKLOG_MAX)
        grow(history);
    if (history->room == 0) {
        history->dropped++;
        return;
    }
    if (history->count == history->room) {
        history->first = (history->first + 1) % history->room;
        history->count--;
        history->dropped++;
    }
    assert(history->count < history->room);
    history->backlog[(history->first + history->count) % history->room] = *record;
    history->count++;
}

static int
deliver(struct history *history, const struct record *record)
{
    struct control_message message = {
        .magic = CONTROL_MAGIC,
        .type = CONTROL_RECORD,
        .body.record = *record,
    };

    return control_peer_send(history->peer, &message, NULL, 0);
}

void
history_attach(struct history *history, struct control_peer *peer)
{
    history->peer = peer;
    while (history->count > 0 && deliver(history, &history->backlog[history->first]) == 0) {
        history->first = (history->first + 1) % history->room;
        history->count--;
    }
    if (history->count > 0)
        return;
    free(history->backlog);
    history->backlog = NULL;
    history->first = history->room = 0;
}

void
history_detach(struct history *history)
{
    history->peer = NULL;
}

void
history_send(struct history *history, const struct record *record)
{
    if (history->peer == NULL || deliver(history, record) < 0)
        keep(history, record);
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
