/*
 * pid_file - which process is meant, so that no other is ever signalled by mistake.
 *
 * A file of one line, "PID START": the start time (ticks since boot, from /proc) tells a
 * process from a later one with the same number. Files are replaced atomically.
 */
#ifndef FPROXY_SUPERVISOR_PID_FILE_H
#define FPROXY_SUPERVISOR_PID_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct process_id {
    pid_t pid;
    uint64_t start_ticks;
};

/* 0, or -ESRCH when there is no such process. */
int process_id_of(pid_t pid, struct process_id *id);

/* Writes `name` in the directory. 0 or -errno. */
int pid_file_write(int dir_fd, const char *name, const struct process_id *id);

/* 0; -ENOENT; -EPROTO when it is no such file; other -errno. */
int pid_file_read(int dir_fd, const char *name, struct process_id *id);

/* A pidfd of exactly this process, or -errno (-ESRCH: it ended). */
int process_id_open(const struct process_id *id);

/* Does the process run the program `name` (also after its file was replaced)? */
bool process_runs(pid_t pid, const char *name);

#endif
