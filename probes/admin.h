/*
 * admin - what an operator said of targets (base/override.h), as the prober obeys it. The prober's
 * files only.
 *
 * The supervisor tells all of an app at a time, before it loads the app, and again when something
 * changes; it holds for all generations, and for endpoints to come. In maintenance an endpoint is
 * not probed; afterwards it is unknown, and its first probe decides.
 */
#ifndef FPROXY_PROBES_ADMIN_H
#define FPROXY_PROBES_ADMIN_H

#include "probes/endpoint_priv.h"

struct prober;

/* In the place of what was said of the app before; `list` becomes the prober's (heap, or NULL).
 * 0 or -ENOMEM: then what was said before holds. Published when it returns. */
int admin_set(struct prober *prober, const char *app, struct override *list, size_t count);

/* Beside what was said of it before, one word after the other (override_say()); else as above. Too
 * many are -ENOSPC: nothing changes. */
int admin_say(struct prober *prober, const char *app, struct override *list, size_t count);

/* A new endpoint, before its first probe is scheduled. */
void admin_begin(struct endpoint *endpoint);

/* At the end of the process. */
void admin_fini(struct prober *prober);

#endif
