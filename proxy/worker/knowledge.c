/* knowledge - see knowledge.h. */
#include "proxy/worker/knowledge.h"

#include <stdatomic.h>

#include "base/util.h"
#include "config/app.h"
#include "strategy/board.h"
#include "strategy/traffic.h"

#define LOAD(cell) atomic_load_explicit(&(cell), memory_order_relaxed)
#define STORE(cell, value) atomic_store_explicit(&(cell), (value), memory_order_relaxed)

/* The slot has another endpoint than the cell knows: it starts afresh. One thread wins. */
static void
claim(struct traffic_knowledge *cell, uint32_t id)
{
    uint32_t known = LOAD(cell->id);

    if (LIKELY(known == id))
        return;
    if (!atomic_compare_exchange_strong(&cell->id, &known, id))
        return;
    STORE(cell->connect_us, 0);
    STORE(cell->shunned_since_ms, 0);
    STORE(cell->shunned_until_ms, 0);
    STORE(cell->shun_ms, 0);
    STORE(cell->failures, 0);
    STORE(cell->failed_in_row, 0);
}

/* Is the newest probe's word that it is dead? Then a probe that started a moment before the
 * mark is as good as one that started after it: both saw the same. */
static bool
confirmed(const struct board_pulse *pulse, uint32_t id)
{
    return LOAD(pulse->id) == id && LOAD(pulse->failed_start_ms) > LOAD(pulse->passed_start_ms);
}

static bool
passed_since(const struct board_pulse *pulse, uint32_t id, uint64_t since_ms)
{
    return LOAD(pulse->id) == id && LOAD(pulse->passed_start_ms) > since_ms;
}

bool
knowledge_shunned(struct traffic_knowledge *cell, const struct board_pulse *pulse,
                  uint32_t id, uint64_t now_ms)
{
    uint64_t since_ms = LOAD(cell->shunned_since_ms);

    if (LIKELY(since_ms == 0) || LOAD(cell->id) != id)
        return false;
    if (passed_since(pulse, id, since_ms))
        return false;
    return now_ms < LOAD(cell->shunned_until_ms) || confirmed(pulse, id);
}

void
knowledge_shun(struct traffic_knowledge *cell, const struct board_pulse *pulse,
               uint32_t id, uint64_t now_ms)
{
    uint64_t since_ms;
    uint32_t length_ms;

    claim(cell, id);
    atomic_fetch_add_explicit(&cell->failures, 1, memory_order_relaxed);
    since_ms = LOAD(cell->shunned_since_ms);
    if (knowledge_shunned(cell, pulse, id, now_ms))
        return;         /* tries that were under way when the mark was made add nothing */
    length_ms = LOAD(cell->shun_ms);
    if (since_ms == 0 || length_ms == 0 || passed_since(pulse, id, since_ms))
        length_ms = SHUN_MIN_MS;
    else
        length_ms = MIN(length_ms * 2, (uint32_t)SHUN_MAX_MS);
    STORE(cell->shun_ms, (uint16_t)length_ms);
    STORE(cell->shunned_until_ms, now_ms + length_ms);
    STORE(cell->shunned_since_ms, now_ms);
}

_Static_assert(SHUN_MAX_MS <= UINT16_MAX, "it fits its cell");

void
knowledge_failed(struct traffic_knowledge *cell, uint32_t id)
{
    claim(cell, id);
    if (LOAD(cell->failed_in_row) < UINT16_MAX - APP_THREADS_MAX)   /* all threads at once */
        atomic_fetch_add_explicit(&cell->failed_in_row, 1, memory_order_relaxed);
}

uint32_t
knowledge_failed_in_row(const struct traffic_knowledge *cell, uint32_t id)
{
    return LOAD(cell->id) == id ? LOAD(cell->failed_in_row) : 0;
}

void
knowledge_connected(struct traffic_knowledge *cell, uint32_t id, uint32_t connect_us)
{
    uint32_t usual_us;

    claim(cell, id);
    usual_us = LOAD(cell->connect_us);
    connect_us = MAX(connect_us, 1u);
    /* An eighth of the news, as TCP smooths its round trips (RFC 6298). */
    if (usual_us == 0)
        usual_us = connect_us;
    else
        usual_us = (uint32_t)(((uint64_t)usual_us * 7 + connect_us + 4) / 8);
    STORE(cell->connect_us, MAX(usual_us, 1u));
    if (UNLIKELY(LOAD(cell->failed_in_row) != 0))
        STORE(cell->failed_in_row, 0);
    if (UNLIKELY(LOAD(cell->shunned_since_ms) != 0)) {
        STORE(cell->shunned_since_ms, 0);
        STORE(cell->shun_ms, 0);
    }
}

uint32_t
knowledge_suspect_ms(const struct traffic_knowledge *cell, const struct board_pulse *pulse,
                     uint32_t id, uint32_t stagger_ms)
{
    uint32_t usual_us = LOAD(cell->id) == id ? LOAD(cell->connect_us) : 0;
    uint64_t late_ms;

    if (usual_us == 0 && LOAD(pulse->id) == id)
        usual_us = LOAD(pulse->connect_us);
    if (usual_us == 0)
        return stagger_ms;
    late_ms = MAX((uint64_t)usual_us * SUSPECT_FACTOR / 1000, (uint64_t)SUSPECT_MIN_MS);
    return (uint32_t)MIN(late_ms, (uint64_t)stagger_ms);
}
