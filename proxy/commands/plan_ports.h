/*
 * plan_ports - whether the ports that a plan adds could be had.
 */
#ifndef FPROXY_COMMANDS_PLAN_PORTS_H
#define FPROXY_COMMANDS_PLAN_PORTS_H

#include "proxy/commands/plan_compare.h"

struct plan_refusal {
    const char *app;                /* borrowed from the plan */
    struct app_listen port;
    bool certain;                   /* else: this user cannot find out */
    char reason[DETAIL_BYTES];      /* "is in use by nginx (pid 12)" */
};

/* Binds each port that is new and that no running app holds, and closes it again. One that another
 * app of `running` holds, and does not lose by the plan, is refused: its configuration may say
 * nothing of it, where an operator went back from that. `serving`: a supervisor has what `running`
 * says. 0, `*refusals` (on the heap) and `*count`; -ENOMEM, -EINVAL. */
int plan_ports_try(const struct plan *plan, const struct plan_running *running,
                   size_t running_count, bool serving, struct plan_refusal **refusals,
                   size_t *count);

#endif
