/*
 * verdict - what an endpoint is, all things considered: a pure function of what its probes say,
 * what an operator wants, what DNS says and what clients met. The first that holds tells:
 *
 *   unresolved > maintenance > draining (operator) > draining (left DNS) > down by its probes
 *              > ejected > held because it flaps > warming > by its probes
 */
#ifndef FPROXY_PROBES_VERDICT_H
#define FPROXY_PROBES_VERDICT_H

#include <stdbool.h>

#include "strategy/endpoint_state.h"

enum verdict_admin { ADMIN_NONE, ADMIN_DRAIN, ADMIN_MAINTAIN };

struct verdict_parts {
    bool resolved;                  /* it has an address */
    enum endpoint_state health;     /* by its probes (combine.h) */
    enum verdict_admin admin;
    bool leaving;                   /* DNS no longer names it */
    bool ejected;                   /* connections of clients failed */
    bool flapping;                  /* it is held until it calms down */
    bool warming;                   /* it is new or came back: not its whole share yet */
};

enum endpoint_state verdict(const struct verdict_parts *parts);

#endif
