/*
 * standing - what takes an endpoint out beside its probes (verdict.h), in words. The prober's files
 * only.
 */
#ifndef FPROXY_PROBES_STANDING_H
#define FPROXY_PROBES_STANDING_H

#include "probes/endpoint_priv.h"

/* What takes it out, in words, into DETAIL_BYTES; "": nothing does. */
const char *endpoint_state_detail(const struct endpoint *endpoint, char *text);

/* Of an ejection, into DETAIL_BYTES. */
void eject_describe(const struct eject *eject, char *text);

/* Connections may go there when nothing better is left: no operator has taken it out. */
bool endpoint_may_be_tried(const struct endpoint *endpoint);

#endif
