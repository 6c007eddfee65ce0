/*
 * prober_orders - what the supervisor says to the prober. The prober's files only.
 */
#ifndef FPROXY_PROBES_PROBER_ORDERS_H
#define FPROXY_PROBES_PROBER_ORDERS_H

#include "base/control_peer.h"

/* Its context is the prober. */
control_message_fn prober_on_message;

#endif
