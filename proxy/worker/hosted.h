/*
 * hosted - one generation of an app in this worker, as the control thread sees it.
 *
 *   [LOADING] --commit--> [LOADED] --accept--> [ACCEPTING] --superseded, drain, retire-->
 *   [DRAINING] --nothing left in any thread--> gone;  the first two: unloaded at once
 *
 * Owns the board, the traffic page and the parts that threads use; frees them only when every
 * thread has said that it left them. An app has at most one generation that accepts.
 */
#ifndef FPROXY_WORKER_HOSTED_H
#define FPROXY_WORKER_HOSTED_H

#include <stdint.h>
#include <sys/queue.h>

#include "base/control_message.h"
#include "proxy/worker/port.h"
#include "proxy/worker/tenant.h"
#include "proxy/worker/thread.h"

enum hosted_state { HOSTED_LOADING, HOSTED_LOADED, HOSTED_ACCEPTING, HOSTED_DRAINING };

struct hosted {
    struct worker_app app;
    enum hosted_state state;
    struct tenant *tenant;
    struct board *board;            /* owned */
    struct traffic *traffic;        /* owned */
    struct board *next_board;       /* owned: threads are changing to it */
    struct traffic *next_traffic;
    uint32_t orders;                /* under way that name it */
    uint32_t gone;                  /* threads that have left it */
    uint32_t thread_count;          /* length of app.threads; 0: not committed */
    struct port **ports;            /* owned, in the order of the configuration: used ones, from
                                     * the commit to draining */
    struct listener_list sockets;   /* owned: sent with this load; its ports' when it accepts */
    uint32_t socket_count, socket_total;
    TAILQ_ENTRY(hosted) link;       /* of the worker's */
    LIST_ENTRY(hosted) tenant_link;
};

/* A new generation from APP_LOAD's descriptors (the caller closes them): its canonical text, the
 * board and the traffic page. 0 and `*hosted`, or -errno with the reason in `why`
 * (DETAIL_BYTES). */
int hosted_create(const char *name, uint32_t generation, const int *fds, struct hosted **hosted,
                  char *why);
/* Its ports are released by then. */
void hosted_destroy(struct hosted *hosted);

/* Takes listening sockets over. 0 or -errno (then they stay the caller's). */
int hosted_add_sockets(struct hosted *hosted, const struct control_sockets *about,
                       const int *fds, uint32_t count);

/* With every socket here: uses its ports, and makes what `threads` need. 0, or -errno with the
 * reason in `why`; -ENOENT: a port has no socket here. */
int hosted_commit(struct hosted *hosted, struct ports *ports, struct thread *const *threads,
                  uint32_t thread_count, uint32_t count, char *why);

/* The same of one that accepts in another process: it uses no port here. 0 or -errno. */
int hosted_commit_retired(struct hosted *hosted, struct thread *const *threads,
                          uint32_t thread_count);

/* Maps a larger board and traffic page as the next ones. 0 or -errno; -EPROTO: not larger. */
int hosted_next_board(struct hosted *hosted, const int *fds);
/* Not after all. */
void hosted_drop_next_board(struct hosted *hosted);
/* All threads use it: the old ones go. */
void hosted_swap_board(struct hosted *hosted);
/* The same while no thread knows the generation. 0 or -errno. */
int hosted_change_board(struct hosted *hosted, const int *fds);

/* The newest board and page, which threads may be changing to. */
const struct board *hosted_board(const struct hosted *hosted);
const struct traffic *hosted_traffic(const struct hosted *hosted);

#endif
