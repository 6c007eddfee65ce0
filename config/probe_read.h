/*
 * probe_read - the keys `probe` and `probes` of an app (app_probe.h).
 */
#ifndef FPROXY_CONFIG_PROBE_READ_H
#define FPROXY_CONFIG_PROBE_READ_H

#include "config/app_probe.h"
#include "config/keys.h"

/* The keys of a probe; offsets count from a struct app_probe. */
extern const struct key probe_keys[];
extern const uint32_t probe_key_count;

/* The list `probes`; `into` is a struct app_probes. */
key_read_fn probes_read;

/* `probes_require`: "all", "any", "2 of 3"; `into` is a struct app_probes as well. */
key_read_fn probes_require_read;

/* When all keys of an app were read: fills in what follows other values, checks what limits each
 * other, and forgets what a probe inherited that its kind does not have. `app` is the group (a
 * problem is told at its settings), `probe` what its key `probe` and the defaults say. */
void probes_finish(struct reader *reader, const struct config_setting_t *app,
                   struct app_probe *probe, struct app_probes *probes);

#endif
