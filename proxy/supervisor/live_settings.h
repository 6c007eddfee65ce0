/*
 * live_settings - the groups `daemon` and `defaults` while the daemon runs.
 *
 * What of `daemon` can change does at once: the log, DNS, limits of probes, threads and the pool
 * of workers (whose apps are handed over). Directories are those of the start. Both groups are
 * recorded as last good. The loop's thread only.
 */
#ifndef FPROXY_SUPERVISOR_LIVE_SETTINGS_H
#define FPROXY_SUPERVISOR_LIVE_SETTINGS_H

struct config_change;
struct supervisor;

/* What holds for the log, from options, environment and settings. 0; or -1: the level is none,
 * which was told. */
int live_settings_log(const struct supervisor *supervisor);

/* The settings as a sealed text for the children. 0 or -errno, which was told. */
int live_settings_seal(struct supervisor *supervisor);

void live_settings_apply(struct supervisor *supervisor, const struct config_change *change);

/* Hands over what belongs to another worker than it has. */
void live_settings_settle_workers(struct supervisor *supervisor);

#endif
