/*
 * command_rig - runs probes of the kinds that start programs. For their tests only.
 *
 * Whatever fails, fails the test. At its end nothing may be left: no process, no descriptor.
 */
#ifndef FPROXY_TESTS_COMMAND_RIG_H
#define FPROXY_TESTS_COMMAND_RIG_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "config/app_probe.h"
#include "probes/probe.h"

enum { RIG_WAIT_MS = 20000 };

struct rig {
    struct event_base *base;
    const struct probe_ops *ops;
    struct app_probe config;
    void *shared;
    int descriptors;                /* open before anything was started */
};

struct rig_run {
    struct rig *rig;
    struct probe probe;
    bool done;
    uint32_t times;                 /* that it was done */
    struct probe_result result;
};

/* `command` is ended by NULL. */
void rig_init(struct rig *rig, const struct probe_ops *ops, uint32_t timeout_ms,
              const char *const *command);
void rig_shell(struct rig *rig, const struct probe_ops *ops, uint32_t timeout_ms, const char *text);
void rig_python(struct rig *rig, const struct probe_ops *ops, uint32_t timeout_ms,
                const char *text);
/* Its probes must be over. */
void rig_fini(struct rig *rig);

void rig_start(struct rig *rig, struct rig_run *run, const char *target);
/* Until it is done. */
void rig_wait(struct rig_run *run);
/* Both; the result is in `run`. */
void rig_probe(struct rig *rig, struct rig_run *run, const char *target);

/* Processes that this one has started and not waited for. */
int rig_children(void);
/* Waits until `pid` runs no longer; it may be a zombie of somebody else. */
void rig_wait_gone(int pid);

#endif
