/*
 * relief - a worker that was told to end (SIGTERM, by somebody else) gets a successor first.
 *
 *   TOLD_TO_END --a moment later--> it serves: another one takes over, as in an upgrade, app by app
 *                                   as each has nothing else under way; until it serves none
 *                                   it has old connections only: it drains them and ends
 *
 * It takes clients until then. What fails is tried again, later each time. A supervisor that stops
 * takes no notice: it tells the workers to stop itself. The loop's thread only.
 */
#ifndef FPROXY_SUPERVISOR_RELIEF_H
#define FPROXY_SUPERVISOR_RELIEF_H

#include <stdbool.h>
#include <stdint.h>

struct supervisor;
struct worker;

enum relief_state { RELIEF_NONE, RELIEF_ASKED, RELIEF_UNDER_WAY };

/* Of one process: zeroed when it ends. */
struct relief {
    enum relief_state state;
    bool served;                /* when it was told; else it has to end, not to be replaced */
    uint64_t look_at_ms;        /* CLOCK_MONOTONIC: the next look */
    uint32_t retry_ms;          /* the wait after the next try */
};

/* The worker was told to end. */
void relief_asked(struct worker *worker);

/* What supervisor->relief_again is for. */
void relief_look(struct supervisor *supervisor);

#endif
