/*
 * race - finding a target that takes the connection, as fast as can be.
 *
 * The first try goes to the strategy's pick. Whenever a try is refused, the next endpoint is tried
 * at once; when one is pending for longer than its endpoint usually needs (knowledge.h; `stagger`
 * at most), another is tried beside it. The first to connect wins, the others are closed. Every
 * endpoint is tried once; the only one there is, again after RACE_AGAIN_MS. A try beside one that
 * is pending goes to the other family of addresses, where there are both: a way that is broken is
 * mostly broken for all of its family (RFC 8305). Nothing left to try, or `connect.timeout` over:
 * the client gets RST.
 */
#ifndef FPROXY_WORKER_RACE_H
#define FPROXY_WORKER_RACE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/address.h"
#include "config/app.h"
#include "proxy/worker/loop.h"

struct conn;
struct thread;

enum {
    RACE_LANES = 4,             /* tries pending at the same time */
    RACE_AGAIN_MS = 250,
    RACE_STARVED_MS = 50,       /* until the next look for a free descriptor */
};

/* One pending connect(). Lane 0 uses conn->io[TARGET], so that the usual winner stays
 * registered as it is; the others have an io of their own. */
struct lane {
    struct loop_io io;          /* lanes 1 and up */
    struct conn *conn;
    uint64_t started_us;
    uint64_t suspect_at_ms;     /* when the try counts as late; 0: it was counted */
    uint64_t deadline_ms;
    uint32_t endpoint_id;       /* 0: the lane is free */
    uint16_t endpoint_slot;
    uint16_t target;            /* index in the app's targets */
};

struct race {
    struct lane lanes[RACE_LANES];
    SLIST_ENTRY(race) link;     /* of the thread's free list */
    uint64_t deadline_ms;       /* connect.timeout */
    uint64_t again_at_ms;       /* try the only endpoint again; 0: not planned */
    uint32_t tried[APP_RETRIES_MAX + 1];    /* ids */
    uint8_t tried_count;        /* in `tried`: not to be picked again */
    uint8_t tries;              /* in all */
    uint8_t pending;            /* lanes in use */
    uint8_t family;             /* of the last try: 4 or 6 */
    bool timed_out;             /* some try got no answer at all */
};

/* Takes a connection in CONN_PICKING; ends in conn_connected() or conn_close(), possibly
 * before it returns. */
void race_start(struct conn *conn);

/* Closes all pending tries and gives the race back. */
void race_end(struct conn *conn);

#endif
