/*
 * traffic - the layout of a worker's page, and sums over its threads.
 *
 * What a thread writes alone lies in cache lines of its own: its counters, and its table of
 * tries, which begins on a line.
 */
#include "strategy/traffic.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/shared_file.h"
#include "base/util.h"
#include "config/app.h"
#include "strategy/atomic_words.h"
#include "strategy/page.h"

enum {
    TRAFFIC_MAGIC = 0x66707472,         /* "fptr" */
    TRAFFIC_LAYOUT = 2,                 /* changes with anything below or in the header */
};
_Static_assert(sizeof(struct traffic_counters) == 192, "another size is another layout");
_Static_assert(sizeof(struct traffic_tries) == 24, "another size is another layout");
_Static_assert(sizeof(struct traffic_knowledge) == 32, "another size is another layout");

struct traffic_head {
    struct page_head page;
    uint32_t threads;
    char worker[APP_NAME_BYTES];
};

struct traffic {
    struct traffic_head *head;                  /* the mapping */
    size_t bytes;
    uint32_t threads, slots;                    /* as checked */
    struct traffic_knowledge *knowledge;        /* these three lie in the mapping */
    struct traffic_counters *counters;
    char *tries;
    char app[];                                 /* as checked as well; with NUL */
};

static const char *const close_reason_names[] = {
    [CLOSE_CLIENT_FIN] = "client_fin",
    [CLOSE_TARGET_FIN] = "target_fin",
    [CLOSE_CLIENT_RST] = "client_rst",
    [CLOSE_TARGET_RST] = "target_rst",
    [CLOSE_IDLE_TIMEOUT] = "idle_timeout",
    [CLOSE_CONNECT_TIMEOUT] = "connect_timeout",
    [CLOSE_NO_TARGET] = "no_target",
    [CLOSE_QUEUE_TIMEOUT] = "queue_timeout",
    [CLOSE_QUEUE_FULL] = "queue_full",
    [CLOSE_LIMIT] = "limit",
    [CLOSE_DENIED] = "denied",
    [CLOSE_DRAIN_TIMEOUT] = "drain_timeout",
    [CLOSE_TARGET_DOWN] = "target_down",
    [CLOSE_WORKER_CRASH] = "worker_crash",
    [CLOSE_PROTOCOL] = "protocol",
};
_Static_assert(ARRAY_SIZE(close_reason_names) == CLOSE_REASONS, "name every reason");

const char *
traffic_close_reason_name(enum close_reason reason)
{
    return (size_t)reason < ARRAY_SIZE(close_reason_names) ? close_reason_names[reason] : "?";
}

void
traffic_file_name(const char *worker, const char *app, uint32_t number, char *name)
{
    snprintf(name, TRAFFIC_NAME_BYTES, "traffic-%.63s.%.63s.%" PRIu32, worker, app, number);
}

static size_t
knowledge_offset(void)
{
    return cache_lines_bytes(sizeof(struct traffic_head));
}

static size_t
counters_offset(uint32_t slots)
{
    return knowledge_offset() + cache_lines_bytes(slots * sizeof(struct traffic_knowledge));
}

static size_t
tries_offset(uint32_t threads, uint32_t slots)
{
    return counters_offset(slots) + threads * sizeof(struct traffic_counters);
}

static size_t
tries_bytes(uint32_t slots)
{
    return cache_lines_bytes(slots * sizeof(struct traffic_tries));
}

size_t
traffic_bytes(uint32_t threads, uint32_t slots)
{
    return tries_offset(threads, slots) + threads * tries_bytes(slots);
}

int
traffic_format(int fd, const char *worker, const char *app, uint32_t number, uint32_t threads,
               uint32_t slots)
{
    struct traffic_head head = {
        .page = { .magic = TRAFFIC_MAGIC, .layout = TRAFFIC_LAYOUT, .number = number,
                  .slots = slots },
        .threads = threads,
    };

    if (threads < 1 || threads > APP_THREADS_MAX || !page_name_valid(worker) ||
        !page_name_valid(app))
        return -EINVAL;
    head.page.bytes = traffic_bytes(threads, slots);
    page_name_copy(head.page.app, app);
    page_name_copy(head.worker, worker);
    return page_format(fd, &head.page, sizeof head);
}
_Static_assert(offsetof(struct traffic_head, page) == 0, "a page begins with it");

/* Sets what points into the mapping; false when its parts do not fit each other. */
static bool
traffic_attach(struct traffic *traffic)
{
    char *memory = (char *)traffic->head;

    traffic->threads = traffic->head->threads;
    traffic->slots = traffic->head->page.slots;
    if (traffic->threads < 1 || traffic->threads > APP_THREADS_MAX ||
        traffic->bytes != traffic_bytes(traffic->threads, traffic->slots) ||
        !page_name_valid(traffic->head->worker))
        return false;
    traffic->knowledge = (struct traffic_knowledge *)(memory + knowledge_offset());
    traffic->counters = (struct traffic_counters *)(memory + counters_offset(traffic->slots));
    traffic->tries = memory + tries_offset(traffic->threads, traffic->slots);
    return true;
}

int
traffic_open(int fd, bool writable, struct traffic **traffic)
{
    char app[APP_NAME_BYTES];
    struct traffic *opened;
    size_t bytes;
    void *memory;
    int rc = page_map(fd, writable, TRAFFIC_MAGIC, TRAFFIC_LAYOUT, traffic_bytes(1, 1), app,
                      &memory, &bytes);

    if (rc < 0)
        return rc;
    opened = calloc(1, sizeof *opened + strlen(app) + 1);
    if (opened == NULL) {
        shared_file_unmap(memory, bytes);
        return -ENOMEM;
    }
    strcpy(opened->app, app);
    opened->head = memory;
    opened->bytes = bytes;
    if (!traffic_attach(opened)) {
        traffic_close(opened);
        return -EPROTO;
    }
    *traffic = opened;
    return 0;
}

void
traffic_close(struct traffic *traffic)
{
    if (traffic == NULL)
        return;
    shared_file_unmap(traffic->head, traffic->bytes);
    free(traffic);
}

const char *
traffic_app(const struct traffic *traffic)
{
    return traffic->app;
}

uint32_t
traffic_number(const struct traffic *traffic)
{
    return traffic->head->page.number;
}

uint32_t
traffic_threads(const struct traffic *traffic)
{
    return traffic->threads;
}

uint32_t
traffic_slots(const struct traffic *traffic)
{
    return traffic->slots;
}

struct traffic_counters *
traffic_counters(const struct traffic *traffic, uint32_t thread)
{
    assert(thread < traffic->threads);

    return &traffic->counters[thread];
}

struct traffic_tries *
traffic_tries(const struct traffic *traffic, uint32_t thread, uint32_t slot)
{
    char *table;

    assert(thread < traffic->threads);
    assert(slot < traffic->slots);

    table = traffic->tries + thread * tries_bytes(traffic->slots);
    return (struct traffic_tries *)table + slot;
}

struct traffic_knowledge *
traffic_knowledge(const struct traffic *traffic, uint32_t slot)
{
    assert(slot < traffic->slots);

    return &traffic->knowledge[slot];
}

static uint64_t
value_of(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void
traffic_sum(const struct traffic *traffic, struct traffic_totals *totals)
{
    memset(totals, 0, sizeof *totals);
    for (uint32_t thread = 0; thread < traffic->threads; thread++) {
        const struct traffic_counters *counters = &traffic->counters[thread];

        totals->accepted += value_of(&counters->accepted);
        totals->active += value_of(&counters->active);
        totals->connected += value_of(&counters->connected);
        totals->attempts += value_of(&counters->attempts);
        totals->retries += value_of(&counters->retries);
        totals->bytes_to_target += value_of(&counters->bytes_to_target);
        totals->bytes_to_client += value_of(&counters->bytes_to_client);
        totals->accept_pauses += value_of(&counters->accept_pauses);
        for (size_t i = 0; i < CLOSE_REASONS; i++)
            totals->closed[i] += value_of(&counters->closed[i]);
    }
}

void
traffic_sum_tries(const struct traffic *traffic, uint32_t slot, uint32_t id,
                  uint64_t *connected, uint64_t *failed, uint64_t *active)
{
    *connected = 0;
    *failed = 0;
    *active = 0;
    for (uint32_t thread = 0; thread < traffic->threads; thread++) {
        const struct traffic_tries *tries = traffic_tries(traffic, thread, slot);

        if (atomic_load_explicit(&tries->id, memory_order_relaxed) != id)
            continue;
        *connected += value_of(&tries->connected);
        *failed += value_of(&tries->failed);
        *active += atomic_load_explicit(&tries->active, memory_order_relaxed);
    }
}
