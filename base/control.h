/*
 * control - what the supervisor and its children say to each other.
 *
 * One SOCK_SEQPACKET connection between the supervisor and each child; a message is
 * one packet: a fixed header and the body of its type, descriptors beside it. Long
 * texts travel as sealed memfds (shared_file.h), for a packet of 300,000 bytes fails;
 * more than 253 descriptors in one message fail too, so listening sockets go in
 * numbered messages of at most CONTROL_FDS_MAX.
 *
 *   supervisor -> both     SETTINGS [text]   STOP   PING
 *   supervisor -> prober   SEED [records]   APP_LOAD [text, board rw, traffic ro]
 *                          APP_BOARD [board rw, traffic ro]   APP_UNLOAD
 *   supervisor -> worker   APP_LOAD [text, board ro, traffic rw]  APP_SOCKETS [sockets...]
 *                          APP_COMMIT   APP_ACCEPT   APP_BOARD [board ro, traffic rw]
 *                          APP_DRAIN
 *   child -> supervisor    HELLO   PONG   APP_LOADED
 *   prober -> supervisor   APP_HEALTH   APP_GROW   RECORD
 *   worker -> supervisor   APP_SOCKETS_ACK   APP_GONE
 *
 * Everything about an app names it and its generation: a late answer to an older
 * generation is recognised and dropped.
 */
#ifndef FPROXY_BASE_CONTROL_H
#define FPROXY_BASE_CONTROL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/names.h"
#include "base/record.h"

enum {
    CONTROL_MAGIC = 0x66707831,     /* "fpx1": changes with the layout of any body */
    CONTROL_FDS_MAX = 250,
    CONTROL_FD = 3,                 /* where a child finds its connection at start */
};

enum control_type {
    CONTROL_HELLO = 1,
    CONTROL_SETTINGS,
    CONTROL_STOP,
    CONTROL_PING,
    CONTROL_PONG,
    CONTROL_SEED,
    CONTROL_APP_LOAD,
    CONTROL_APP_SOCKETS,
    CONTROL_APP_SOCKETS_ACK,
    CONTROL_APP_COMMIT,
    CONTROL_APP_LOADED,
    CONTROL_APP_ACCEPT,
    CONTROL_APP_BOARD,
    CONTROL_APP_GROW,
    CONTROL_APP_HEALTH,
    CONTROL_APP_DRAIN,
    CONTROL_APP_GONE,
    CONTROL_APP_UNLOAD,
    CONTROL_RECORD,
    CONTROL_TYPES
};

enum control_role { CONTROL_PROBER = 1, CONTROL_WORKER };

struct control_hello {
    uint32_t role;              /* enum control_role */
    int32_t pid;
    char version[32];           /* FPROXY_VERSION of the child */
};

/* APP_LOAD, APP_COMMIT, APP_ACCEPT, APP_UNLOAD, APP_GONE: only the name and generation.
 * APP_LOADED: `result` is 0 or -errno, `detail` says why in English.
 * APP_BOARD: `board_number` of the board that now counts; to the prober also of the present
 *   one, when its worker has a new traffic page. The prober does without the page as well.
 * APP_GROW: `count` endpoints have to fit; the present board has too few slots.
 * APP_DRAIN: `count` is the time in ms until what is left is closed.
 * APP_SOCKETS: descriptors `first` to `first` + number in this message - 1, of `count`;
 *   `per_port` sockets belong to each port, in the order of the app's ports.
 * APP_SOCKETS_ACK: `count` descriptors have arrived so far. */
struct control_app {
    char app[APP_NAME_BYTES];
    uint32_t generation;        /* of the app's configuration */
    uint32_t board_number;
    uint32_t count;
    uint32_t first;
    uint32_t per_port;
    int32_t result;
    char detail[DETAIL_BYTES];
};

struct control_health {
    char app[APP_NAME_BYTES];
    uint32_t generation;
    uint32_t total;             /* endpoints, and targets that have none yet */
    uint32_t available;         /* known to work now */
    uint32_t eligible;          /* may get connections (without panic) */
    uint32_t first_round_done;  /* every endpoint's first probe ended */
    uint32_t panic;             /* nothing is eligible and every endpoint is offered */
};

struct control_stop {
    uint32_t deadline_ms;       /* drain at most this long; 0: end at once */
};

struct control_message {
    uint32_t magic;
    uint32_t type;              /* enum control_type */
    union {
        struct control_hello hello;
        struct control_app app;
        struct control_health health;
        struct control_stop stop;
        struct record record;
    } body;
};

/* Bytes of a whole message of `type` on the wire; 0 for an unknown type. */
size_t control_bytes(uint32_t type);

/* Checks what arrived: size, magic, type, every text ends within its field. 0 or -EPROTO.
 * `message` may be `data` itself. */
int control_decode(const void *data, size_t bytes, struct control_message *message);

/* Sends one message with `fd_count` descriptors (the caller keeps them). 0 or -errno;
 * -EAGAIN when the peer's queue is full. Never blocks, never raises SIGPIPE. */
int control_send(int socket, const struct control_message *message, const int *fds,
                 size_t fd_count);

/* Receives one message. `fds` has room for CONTROL_FDS_MAX; `*fd_count` of them arrived,
 * close-on-exec, now the caller's. 1: a message; 0: the peer is gone; -EAGAIN: nothing;
 * -EPROTO: not ours, dropped with its descriptors; other -errno. */
int control_receive(int socket, struct control_message *message, int *fds, size_t *fd_count);

/* A message of `type` about `app` and `generation`, everything else zero. */
void control_app_message(struct control_message *message, enum control_type type,
                         const char *app, uint32_t generation);

#endif
