/*
 * children - the processes the supervisor starts: one prober, a worker for each app.
 *
 *   child_start()  ->  on_message()...  ->  on_ended() exactly once, after the last message
 *
 * A child runs in its own session (a terminal's Ctrl-C is ours to handle), gets its end of
 * the control connection as CONTROL_FD and is watched by pidfd. A file in the runtime
 * directory names it, so that a later supervisor finds what this one left behind.
 *
 * The loop's thread only.
 */
#ifndef FPROXY_SUPERVISOR_CHILDREN_H
#define FPROXY_SUPERVISOR_CHILDREN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/control.h"
#include "base/control_peer.h"

struct event;
struct event_base;

/* How a child ended; what does not apply is negative. */
struct child_end {
    int signal;
    int exit_code;
};

struct child;
typedef void child_message_fn(void *context, const struct control_message *message);
/* The child is gone and freed when this returns. */
typedef void child_ended_fn(void *context, const struct child_end *end);

struct child {
    enum control_role role;
    char name[APP_NAME_BYTES];      /* a worker's; "prober" */
    pid_t pid;
    int pidfd;                      /* owned */
    uint64_t started_at_ms;         /* CLOCK_MONOTONIC */
    struct control_peer *peer;      /* owned; NULL once the child closed its end */
    struct event *exit_event;       /* owned */
    struct event *silent_event;     /* owned; armed when only one of both ends came */
    int runtime_fd;                 /* borrowed */
    bool exited;
    struct child_end end;
    child_message_fn *on_message;
    child_ended_fn *on_ended;
    void *context;
};

/* Starts the executable of `role`. 0 and `*child`, or -errno (then on_ended never comes). */
int child_start(struct event_base *base, int runtime_fd, enum control_role role,
                const char *name, child_message_fn *on_message, child_ended_fn *on_ended,
                void *context, struct child **child);

/* Sends a message; trouble is logged. 0 or -errno. */
int child_send(struct child *child, const struct control_message *message, const int *fds,
               size_t fd_count);

/* Sends a signal to exactly this process. */
void child_signal(struct child *child, int signal);

/* Reaps what is not ours: as the first process of a container we inherit orphans. False when
 * an ended child stands in the way until its own event has collected it: call again. */
bool children_reap_strangers(bool (*is_child)(void *context, pid_t pid), void *context);

/* "signal 11 (Segmentation fault)" or "exit status 1" into `text`; returns it. */
const char *child_end_text(const struct child_end *end, char *text, size_t text_bytes);

/* The file that names a child, "worker-NAME.pid" or "prober.pid". */
void child_file_name(enum control_role role, const char *name, char *file, size_t file_bytes);

/* "fproxy-worker" or "fproxy-prober". */
const char *child_program(enum control_role role);

#endif
