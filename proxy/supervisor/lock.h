/*
 * lock - one supervisor for each state directory and each runtime directory.
 *
 * The lock is an flock on the directory itself, so it ends with its holder, however that
 * ends; the file supervisor.pid in it only tells people and `fproxy stop` who that is.
 */
#ifndef FPROXY_SUPERVISOR_LOCK_H
#define FPROXY_SUPERVISOR_LOCK_H

#include <stdbool.h>

#include "proxy/supervisor/pid_file.h"

/* Locks the open directory; held until the descriptor is closed. 0; -EWOULDBLOCK: another
 * process has it (`*holder` tells which, pid 0 when that is not known); other -errno. */
int lock_take(int dir_fd, struct process_id *holder);

/* Is it, and not another one or none, what is at `path` now? */
bool lock_is_at(int dir_fd, const char *path);

/* Who held it last and did not take its name off; pid 0: nobody. */
void lock_last_holder(int dir_fd, struct process_id *holder);

/* The holder writes down who it is. 0 or -errno. */
int lock_sign(int dir_fd);

/* The holder takes its name off; the lock itself ends with the descriptor. */
void lock_unsign(int dir_fd);

#endif
