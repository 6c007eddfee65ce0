/*
 * leftovers - what a supervisor that was killed left in the runtime directory.
 *
 * Its workers and prober go on serving by design, and are adopted (adopt.h). This is about
 * those that cannot be, and about what `fproxy stop` finds. Only the holder of the
 * directory's lock may call this.
 */
#ifndef FPROXY_SUPERVISOR_LEFTOVERS_H
#define FPROXY_SUPERVISOR_LEFTOVERS_H

#include <stdbool.h>
#include <sys/types.h>

/* Ends the children that are still there: SIGTERM, and what has not ended after
 * `patience_ms` SIGKILL. Returns how many there were. Those for which `keep` (may be NULL) says
 * yes are none. */
typedef bool leftovers_pid_fn(void *context, pid_t pid);
unsigned leftovers_end_children(int runtime_fd, unsigned patience_ms, leftovers_pid_fn *keep,
                                void *context);

/* Unlinks boards, traffic pages, sockets and files that name processes. Nothing else, and
 * nothing for which `keep` (may be NULL) says yes. */
typedef bool leftovers_name_fn(void *context, const char *file);
void leftovers_unlink(int runtime_fd, leftovers_name_fn *keep, void *context);

#endif
