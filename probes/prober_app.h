/*
 * prober_app - the generations of apps that are loaded. The prober's files only.
 *
 * A newer generation stands beside the older one until one of them is unloaded.
 */
#ifndef FPROXY_PROBES_PROBER_APP_H
#define FPROXY_PROBES_PROBER_APP_H

#include <stdint.h>

#include "probes/prober_app_priv.h"

/* Loads a generation; `board` becomes the app's, and is closed when that fails. 0, or -errno
 * with the reason in `why` (DETAIL_BYTES). */
int prober_app_load(struct prober *prober, const char *text, uint32_t generation,
                    struct board *board, char *why);

/* Generation 0: all of them. */
void prober_app_unload(struct prober *prober, const char *name, uint32_t generation);

/* NULL when it is not loaded. */
struct prober_app *prober_app_find(struct prober *prober, const char *name,
                                   uint32_t generation);

/* At the end of the process: nothing is recorded. */
void prober_app_destroy(struct prober_app *app);

/* The endpoint of another generation with this target and address; NULL: none. */
const struct endpoint *prober_app_twin(const struct prober_app *app,
                                       const struct target *target,
                                       const struct address *address);

/* `target`, as configured or an endpoint's address, has reported itself: who looks at that does
 * so now. */
void prober_app_reported(struct prober_app *app, const char *target);

#endif
