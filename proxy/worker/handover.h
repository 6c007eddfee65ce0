/*
 * handover - what of one generation of an app is what in the next.
 *
 * Computed once by the control thread when a generation takes over, constant from then on;
 * it belongs to the older generation and lives as long. Ports are the same by address, targets
 * by name, endpoints by target and address, as the two boards tell them.
 */
#ifndef FPROXY_WORKER_HANDOVER_H
#define FPROXY_WORKER_HANDOVER_H

#include <stdint.h>

#include "config/app.h"

struct board;
struct traffic;
struct worker_app;

enum { HANDOVER_NONE = UINT16_MAX };
_Static_assert(APP_PORTS_MAX < UINT16_MAX && APP_TARGETS_MAX < UINT16_MAX, "16 bits do");

/* Of an old slot. */
struct handover_endpoint {
    uint32_t old_id;            /* which endpoint it was; 0: none, or it is not in the new board */
    uint32_t id;                /* in the new board */
    uint16_t slot;
};

struct handover {
    uint32_t to_generation;
    uint32_t port_count, target_count, slot_count;
    uint16_t *ports, *targets;              /* owned: old index to new, or HANDOVER_NONE */
    struct handover_endpoint *endpoints;    /* owned: by old slot */
};

/* NULL: no memory. */
struct handover *handover_create(const struct worker_app *from, const struct board *from_board,
                                 const struct worker_app *to, const struct board *to_board);
void handover_destroy(struct handover *handover);

/* What the worker knows of endpoints goes on in the new page, which no thread uses yet. */
void handover_knowledge(const struct handover *handover, const struct traffic *from,
                        const struct traffic *to);

static inline uint16_t
handover_port(const struct handover *handover, uint16_t port)
{
    return port < handover->port_count ? handover->ports[port] : HANDOVER_NONE;
}

static inline uint16_t
handover_target(const struct handover *handover, uint16_t target)
{
    return target < handover->target_count ? handover->targets[target] : HANDOVER_NONE;
}

#endif
