/*
 * leftovers - what a supervisor that was killed left in the runtime directory.
 *
 * Its workers and prober go on serving by design. Until they can be adopted they have to
 * end before their ports can be bound again. Only the holder of the directory's lock may
 * call this.
 */
#ifndef FPROXY_SUPERVISOR_LEFTOVERS_H
#define FPROXY_SUPERVISOR_LEFTOVERS_H

/* Ends the children that are still there: SIGTERM, and what has not ended after
 * `patience_ms` SIGKILL. Returns how many there were. */
unsigned leftovers_end_children(int runtime_fd, unsigned patience_ms);

/* Unlinks boards, traffic pages, sockets and files that name processes. Nothing else. */
void leftovers_unlink(int runtime_fd);

#endif
