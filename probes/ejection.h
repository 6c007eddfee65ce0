/*
 * ejection - takes endpoints out that connections of clients fail at (eject.h): counts, timers and
 * what is told of it. The prober's files only.
 */
#ifndef FPROXY_PROBES_EJECTION_H
#define FPROXY_PROBES_EJECTION_H

#include "probes/prober_app_priv.h"

/* "traffic": no probes, the app's connections are all there is; `fall` of them in a row count. */
extern const char probe_kind_traffic[];

struct eject_policy ejection_policy(const struct prober_app *app);

/* So many connections of clients to it have failed in a row; that differs from the last look. */
void ejection_look(struct endpoint *endpoint, uint32_t failures_in_row, uint64_t now_ms);

/* A probe of it that started then has passed, and tells of what clients meet. The caller sees to
 * it that a change of its state is told. */
void ejection_probe_passed(struct endpoint *endpoint, uint64_t started_ms, uint64_t now_ms);

/* What another prober or generation knew of it holds on. */
void ejection_resume(struct endpoint *endpoint, const struct eject *eject);

void ejection_fini(struct endpoint *endpoint);

#endif
