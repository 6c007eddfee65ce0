/*
 * push_reports - what targets last said of themselves, for the kind "push".
 *
 * One table for the whole prober, by app and by the name that the report came with: a target as it
 * is configured, or the address of one of its endpoints. At most PUSH_REPORTS_MAX; then the one
 * that is longest ago is forgotten. The loop's thread only. Times are CLOCK_MONOTONIC.
 */
#ifndef FPROXY_PROBES_PUSH_REPORTS_H
#define FPROXY_PROBES_PUSH_REPORTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"

struct control_target_report;

enum { PUSH_REPORTS_MAX = 65536 };

struct push_report {
    uint64_t at_ms;
    bool failed, degraded;
    const char *detail;         /* borrowed until the next put or forget; "" */
};

/* 0 or -ENOMEM: the report before stays. */
int push_reports_put(const struct control_target_report *report, uint64_t now_ms);

/* The newest of those that speak for this endpoint; false: there is none. */
bool push_reports_find(const char *app, const char *target, const struct address *address,
                       struct push_report *report);

/* All of an app. */
void push_reports_forget(const char *app);

#endif
