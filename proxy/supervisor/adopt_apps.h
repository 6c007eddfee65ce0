/*
 * adopt_apps - what a child has reported becomes apps, generations, ports and pages. For adopt.c.
 */
#ifndef FPROXY_SUPERVISOR_ADOPT_APPS_H
#define FPROXY_SUPERVISOR_ADOPT_APPS_H

#include <stdbool.h>

#include "proxy/supervisor/report.h"

struct supervisor;

/* Takes the child and its sockets over. False when it is of no use, and ends. */
bool adopt_child(struct supervisor *supervisor, struct report *report, bool replace);

/* What lies in the runtime directory and belongs to nobody. */
void adopt_unlink_others(struct supervisor *supervisor);

/* All are there: gives the prober what it lacks, takes from it what nobody has. */
void adopt_settle(struct supervisor *supervisor);

#endif
