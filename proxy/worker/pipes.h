/*
 * pipes - a thread's pool of pipes for splice(2).
 *
 * A pipe is made on demand, up to a limit, and kept for the next one who needs it: making one
 * costs about as much as copying 10 KB. Only empty pipes are given back.
 */
#ifndef FPROXY_WORKER_PIPES_H
#define FPROXY_WORKER_PIPES_H

#include <stdint.h>
#include <sys/queue.h>

enum {
    PIPE_BYTES = 1 << 18,       /* asked for; the kernel may grant less */
    PIPES_SPARE_MAX = 16,       /* kept while nobody needs them */
};

struct pipe_pair {
    SLIST_ENTRY(pipe_pair) link;
    int read_fd, write_fd;
    uint32_t bytes;             /* what it holds at most */
};

struct pipes {
    SLIST_HEAD(, pipe_pair) spare;
    uint32_t spare_count;
    uint32_t count;             /* spare ones and those in use */
    uint32_t count_max;
};

void pipes_init(struct pipes *pipes, uint32_t count_max);
void pipes_fini(struct pipes *pipes);

/* NULL at the limit or without descriptors: copy instead. */
struct pipe_pair *pipes_get(struct pipes *pipes);
/* `empty`: nothing lies in it; else it is closed, and what lies in it is gone. */
void pipes_put(struct pipes *pipes, struct pipe_pair *pipe, int empty);

#endif
