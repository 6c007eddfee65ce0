/*
 * children - the processes the supervisor starts: one prober, and workers.
 *
 *   child_start()  ->  on_message()...  ->  on_ended() exactly once, after the last message
 *   child_adopt()  ->
 *
 * A child runs in its own session (a terminal's Ctrl-C is ours to handle), gets its end of
 * the control connection as CONTROL_FD and is watched by pidfd. In the runtime directory it
 * has a socket (ROLE-NAME.INSTANCE.sock, where it listens for a later supervisor) and a file
 * that names the process (.pid), for one that cannot be talked to. One that does not answer
 * a ping within some seconds is killed: first with SIGABRT, so that it tells where it hangs.
 * To one of another protocol only what all versions understand goes out: see child_speaks().
 *
 * The loop's thread only.
 */
#ifndef FPROXY_SUPERVISOR_CHILDREN_H
#define FPROXY_SUPERVISOR_CHILDREN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/control_message.h"
#include "base/control_peer.h"

struct event;
struct event_base;

/* How a child ended; what does not apply is negative. */
struct child_end {
    int signal;
    int exit_code;
};

enum {
    CHILD_PING_MS = 3000,           /* how often it is considered; a worker that leaves one
                                     * unanswered for two turns is hung */
    CHILD_FILE_BYTES = APP_NAME_BYTES + 32,
};

/* `fds` are the callee's to close. */
typedef void child_message_fn(void *context, const struct control_message *message,
                              const int *fds, size_t fd_count);
/* The child is gone and freed when this returns. */
typedef void child_ended_fn(void *context, const struct child_end *end);
/* Is a ping due, the last one having been answered so long ago? Each wakes all threads of the
 * child, so with a thousand of them those that idle are not asked at each turn. */
typedef bool child_ping_due_fn(void *context, uint64_t since_ms);
/* What was queued for it has been taken: it may be sent more. */
typedef void child_drained_fn(void *context);

struct child {
    enum control_role role;
    char name[APP_NAME_BYTES];      /* a worker's; "prober" */
    uint32_t instance;              /* tells apart those of one name */
    char version[32];               /* of its HELLO; "": none came yet */
    uint32_t protocol, threads;     /* likewise */
    bool adopted;                   /* of an earlier supervisor */
    bool foreign;                   /* and of another protocol: see child_speaks() */
    pid_t pid;
    int pidfd;                      /* owned */
    uint64_t started_at_ms;         /* CLOCK_MONOTONIC */
    struct control_peer *peer;      /* owned; NULL once the child closed its end */
    struct event *exit_event;       /* owned */
    struct event *silent_event;     /* owned; armed when only one of both ends came */
    struct event *ping_event;       /* owned */
    uint64_t ping_due_ms;           /* CLOCK_MONOTONIC: when the next turn of it is */
    uint64_t pinged_ms;             /* CLOCK_MONOTONIC: the last one was sent */
    bool ping_waits;                /* for its answer ... */
    uint32_t ping_silent;           /* ... for so many turns */
    int runtime_fd;                 /* borrowed */
    bool exited;
    struct child_end end;
    child_message_fn *on_message;
    child_ended_fn *on_ended;
    child_drained_fn *on_drained;   /* NULL: nobody wants to know */
    child_ping_due_fn *ping_due;    /* NULL: at each turn */
    void *context;
};

/* Starts the executable of `role`. 0 and `*child`, or -errno (then on_ended never comes). */
int child_start(struct event_base *base, int runtime_fd, enum control_role role,
                const char *name, child_message_fn *on_message, child_ended_fn *on_ended,
                void *context, struct child **child);

/* One that runs already, connected by `socket` (taken over on success). What it reports comes to
 * on_message. 0 or -errno. */
struct child_place {
    enum control_role role;
    char name[APP_NAME_BYTES];
    uint32_t instance;
};
int child_adopt(struct event_base *base, int runtime_fd, const struct child_place *place,
                int socket, pid_t pid, child_message_fn *on_message, child_ended_fn *on_ended,
                void *context, struct child **child);

/* False: it was adopted, and is of another CONTROL_PROTOCOL. It is neither sent nor believed more
 * than the messages that all versions have in common, nor pinged; another one is to take over. */
bool child_speaks(const struct child *child);

/* Such a one has been told to stop: if it has not ended by then, it is killed. */
void child_end_within(struct child *child, uint32_t wait_ms);

/* Sends a message; trouble is logged. 0 or -errno; -EPROTONOSUPPORT: it would not understand it,
 * nothing was sent. */
int child_send(struct child *child, const struct control_message *message, const int *fds,
               size_t fd_count);

/* It takes what is sent at once: nothing waits for it. What is queued holds copies of its
 * descriptors, so what is sent by the thousands waits for this instead. */
bool child_takes(const struct child *child);

/* Sends a signal to exactly this process. */
void child_signal(struct child *child, int signal);

/* Reaps what is not ours: as the first process of a container we inherit orphans. False when
 * an ended child stands in the way until its own event has collected it: call again. */
bool children_reap_strangers(bool (*is_child)(void *context, pid_t pid), void *context);

/* "signal 11 (Segmentation fault)" or "exit status 1" into `text`; returns it. */
const char *child_end_text(const struct child_end *end, char *text, size_t text_bytes);

/* "worker-NAME.INSTANCE.pid" or "prober.INSTANCE.sock" into CHILD_FILE_BYTES. */
void child_file_name(const struct child_place *place, const char *end, char *file);
/* The reverse; false when `file` is none of these or has another end. */
bool child_file_parse(const char *file, const char *end, struct child_place *place);

/* Where the executable lies: beside the running one, or in ../libexec/fproxy; into PATH_BYTES. 0
 * or -ENOENT, which is told. */
int child_find_program(enum control_role role, char *path);

/* "fproxy-worker" or "fproxy-prober". */
const char *child_program(enum control_role role);

#endif
