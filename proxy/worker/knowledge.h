/*
 * knowledge - what a worker learns of its endpoints by itself, between two probes.
 *
 * An endpoint that refused, or that is late, is shunned: tried last by all threads of this
 * worker. The mark ends with the first probe that started after it and passed (the board's
 * pulse) or with a try that connects. Otherwise, when the newest probe has failed, it has no
 * end; when that one has passed, or there is none, it ends after a time: 1 s, doubling to
 * 30 s with every mark in a row. Lies in the traffic page, which the prober looks at: a
 * failure makes it probe within 50 ms, so a mark soon ends or is confirmed; several in a row make
 * it take the endpoint out (probes/eject.h).
 *
 * Any data thread; relaxed atomics, the last one wins: a lost update costs one more try.
 */
#ifndef FPROXY_WORKER_KNOWLEDGE_H
#define FPROXY_WORKER_KNOWLEDGE_H

#include <stdbool.h>
#include <stdint.h>

struct board_pulse;
struct traffic_knowledge;

enum {
    SHUN_MIN_MS = 1000,
    SHUN_MAX_MS = 30000,
    SUSPECT_MIN_MS = 20,        /* no try is late before that */
    SUSPECT_FACTOR = 4,         /* ... nor before this many times the usual */
};

/* Is the endpoint `id` to be tried last? */
bool knowledge_shunned(struct traffic_knowledge *cell, const struct board_pulse *pulse,
                       uint32_t id, uint64_t now_ms);

/* A try was refused, timed out or is late. */
void knowledge_shun(struct traffic_knowledge *cell, const struct board_pulse *pulse,
                    uint32_t id, uint64_t now_ms);

/* So many connections in a row have failed there; 0: the cell is another endpoint's. */
uint32_t knowledge_failed_in_row(const struct traffic_knowledge *cell, uint32_t id);

/* A try failed (beside being shunned for it): refused or timed out, not only late. */
void knowledge_failed(struct traffic_knowledge *cell, uint32_t id);

/* A try connected after `connect_us`. */
void knowledge_connected(struct traffic_knowledge *cell, uint32_t id, uint32_t connect_us);

/* After how many ms a pending try counts as late; at most `stagger_ms`. */
uint32_t knowledge_suspect_ms(const struct traffic_knowledge *cell,
                              const struct board_pulse *pulse, uint32_t id,
                              uint32_t stagger_ms);

#endif
