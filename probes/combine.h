/*
 * combine - what several probes of one endpoint say of it together: a pure function.
 *
 *   startup    until each has passed once, the others wait and the endpoint is `starting`; one that
 *              went down starts anew
 *   readiness  so many must pass: all, any, or a number
 *
 * (The meaning of Kubernetes; liveness is about our own proxy, see liveness.h.) With one readiness
 * probe the endpoint's state is that probe's.
 */
#ifndef FPROXY_PROBES_COMBINE_H
#define FPROXY_PROBES_COMBINE_H

#include <stdbool.h>
#include <stdint.h>

#include "strategy/endpoint_state.h"

/* What one probe says. */
struct combine_part {
    bool startup;                   /* its role; else readiness */
    bool passed;                    /* startup: it has passed since it began */
    enum endpoint_state state;      /* by its own results */
};

struct combined {
    enum endpoint_state state;
    uint32_t because;               /* index of the part that tells why */
};

/* `count` at least 1; `required` readiness parts must pass, 0: all. `was_down`: the endpoint was
 * known to be down when its startup probes began. */
struct combined combine(const struct combine_part *parts, uint32_t count, uint32_t required,
                        bool was_down);

/* Has every startup part passed? Also when there is none. */
bool combine_started(const struct combine_part *parts, uint32_t count);

#endif
