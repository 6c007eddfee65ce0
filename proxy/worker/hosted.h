/*
 * hosted - one app in this worker, as the control thread sees it.
 *
 *   [LOADING] --commit--> [ADDING] --all threads--> [LOADED] --accept--> [ACCEPTING]
 *   any of the last three --drain--> [DRAINING] --all threads--> gone
 *
 * Owns the board, the traffic page and the constant part that threads read; frees them only
 * when every thread has answered that it left them.
 */
#ifndef FPROXY_WORKER_HOSTED_H
#define FPROXY_WORKER_HOSTED_H

#include <stdint.h>
#include <sys/queue.h>

#include "base/control.h"
#include "proxy/worker/thread.h"

enum hosted_state { HOSTED_LOADING, HOSTED_ADDING, HOSTED_LOADED, HOSTED_ACCEPTING,
                    HOSTED_DRAINING };

struct hosted {
    struct worker_app app;
    enum hosted_state state;
    struct board *board;            /* owned */
    struct traffic *traffic;        /* owned */
    struct board *next_board;       /* owned: threads are changing to it */
    struct traffic *next_traffic;
    /* Orders may overlap (a larger board while draining), so each kind has its own. */
    uint32_t waiting[COMMAND_TYPES];    /* replies of threads that are due */
    int result[COMMAND_TYPES];      /* the first failure of a thread */
    bool drained;                   /* every thread has forgotten it */
    uint32_t listen_room;           /* of app.listen_fds */
    LIST_ENTRY(hosted) link;
};

/* A new app from APP_LOAD's descriptors (the caller closes them): its canonical text, the board
 * and the traffic page. 0 and `*hosted`, or -errno with the reason in `why` (DETAIL_BYTES). */
int hosted_create(const char *name, uint32_t generation, const int *fds, struct hosted **hosted,
                  char *why);
void hosted_destroy(struct hosted *hosted);

/* Takes listening sockets over. 0 or -errno. */
int hosted_add_sockets(struct hosted *hosted, const struct control_sockets *about,
                       const int *fds, uint32_t count);

/* Maps a larger board and traffic page as the next ones. 0 or -errno; -EPROTO: not larger. */
int hosted_next_board(struct hosted *hosted, const int *fds);
/* All threads use it: the old ones go. */
void hosted_swap_board(struct hosted *hosted);

#endif
