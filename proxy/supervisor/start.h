/*
 * start - from the command line to a supervisor that is about to run its apps.
 *
 * configuration -> directories, locked -> database -> what runs already is adopted.
 * A failure here is told with what to do, and ends the program with status 2.
 */
#ifndef FPROXY_SUPERVISOR_START_H
#define FPROXY_SUPERVISOR_START_H

#include "proxy/supervisor/supervisor.h"

/* Fills `supervisor` (its loop exists) with everything up to the first change.
 * 0, or -1 when that was told already. */
int start_supervisor(struct supervisor *supervisor);

/* Gives back what start_supervisor() took, also after it failed. */
void start_undo(struct supervisor *supervisor);

#endif
