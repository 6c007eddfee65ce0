/*
 * adopt - prober and workers that have outlived their supervisor.
 *
 *   for each socket in the runtime directory: connect, look who it is (SO_PEERCRED), hear its
 *   report (base/control_message.h) -> its apps, as they run: sockets, boards, texts
 *
 * Nothing restarts and no connection is lost: the apps begin as serving, and the first change
 * of the configuration is compared with what they run. Who does not answer is ended; what lies
 * in the directory and belongs to nobody is unlinked. Only the holder of the directory's lock
 * may do this, before anything is started. It waits for the reports, some seconds at most.
 */
#ifndef FPROXY_SUPERVISOR_ADOPT_H
#define FPROXY_SUPERVISOR_ADOPT_H

#include <stdbool.h>

struct supervisor;

/* What cannot be adopted is told, and started anew later. `replace`: the binary is another one,
 * so all are marked as outdated. */
void adopt_children(struct supervisor *supervisor, bool replace);

#endif
