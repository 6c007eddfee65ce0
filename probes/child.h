/*
 * child - a command that runs beside the prober, with all that it starts.
 *
 * It has a session and process group of its own, no descriptor but the three that it is given, a
 * clean environment, and limits (launch.h). It ends when its process has ended; what is left of its
 * group then is killed. Starting waits for nothing but fproxy-launch, which lies beside the
 * prober.
 *
 *   child_start() -> 0 ... ended() once, and it is gone
 *                      ... child_leave(): never ended(); it is ended and goes by itself
 *
 * The loop's thread only.
 */
#ifndef FPROXY_PROBES_CHILD_H
#define FPROXY_PROBES_CHILD_H

#include <stdint.h>

#include "base/names.h"

struct child;
struct event_base;

enum { CHILD_ARGUMENTS_MAX = 40, CHILD_STUCK_MAX = 16 };

struct child_end {
    enum { CHILD_EXITED, CHILD_KILLED, CHILD_NOT_STARTED } how;
    int code;                       /* exit status, or signal */
    uint64_t cpu_ms;                /* that its process took */
    char why[DETAIL_BYTES];         /* CHILD_NOT_STARTED: the reason */
};

typedef void child_ended_fn(void *context, const struct child_end *end);

struct child_order {
    char *const *arguments;         /* the program first */
    uint32_t count;                 /* 1 to CHILD_ARGUMENTS_MAX */
    char *const *environment;       /* ended by NULL */
    const char *user;               /* NULL: as the prober */
    uint32_t cpu_s;                 /* 0: no limit */
    int in, out, err;               /* borrowed; not below 10: child_end_of() */
    child_ended_fn *ended;
    void *context;
};

/* A pipe: our end, not blocking, and the child's, for a child_order. 0 or -errno. */
int child_pipe_in(int *ours, int *childs);
int child_pipe_out(int *ours, int *childs);
/* /dev/null as the child's. The descriptor or -errno. */
int child_null(void);

/* 0, or -errno and why (DETAIL_BYTES). -EAGAIN: CHILD_STUCK_MAX before it were killed and yet are
 * there 2 s later, for they hang in the kernel. */
int child_start(struct event_base *base, const struct child_order *order, struct child **child,
                char *why);

/* SIGTERM for all its group, and SIGKILL `grace_ms` later; 0: at once. */
void child_leave(struct child *child, uint32_t grace_ms);

/* CPU time of its process so far, without what it started. */
uint64_t child_cpu_ms(const struct child *child);

/* Before the base is freed: waits until all have ended, those that were left with grace for what
 * remains of it, 1 s at most (5 s more for what hangs in the kernel), and frees them. Callbacks are
 * not called. */
void child_end_all(void);

/* For tests: where fproxy-launch is; else beside the running program. */
void child_set_launcher(const char *path);

#endif
