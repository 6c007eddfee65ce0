/*
 * control_message - what the supervisor and its children say to each other.
 *
 * One SOCK_SEQPACKET connection between the supervisor and each child; a message is
 * one packet: a fixed header and the body of its type, descriptors beside it. Long
 * texts travel as sealed memfds (shared_file.h), for a packet of 300,000 bytes fails;
 * more than 253 descriptors in one message fail too, so listening sockets go in
 * messages of at most CONTROL_FDS_MAX, each with the number of its port.
 *
 *   supervisor -> both     SETTINGS [text]   STOP   PING
 *   supervisor -> prober   SEED [records]   APP_LOAD [text, board rw, traffic ro]
 *                          APP_BOARD [board rw, traffic ro]   APP_UNLOAD   TARGET_REPORT
 *                          APP_OVERRIDES [overrides]   APP_OVERRIDES_MORE [overrides]
 *   supervisor -> worker   APP_LOAD [text, board ro, traffic rw]  APP_SOCKETS [sockets...]
 *                          APP_COMMIT   APP_ACCEPT   APP_BOARD [board ro, traffic rw]
 *                          APP_DRAIN   APP_RETIRE   APP_FOLLOW
 *   child -> supervisor    HELLO   REPORT_APP [text]   REPORT_SOCKETS [sockets...]
 *                          REPORT_END   PONG   APP_LOADED
 *   prober -> supervisor   APP_HEALTH   APP_GROW   APP_UNRESPONSIVE   RECORD   APP_OVERRIDES
 *                          APP_OVERRIDES_MORE
 *   worker -> supervisor   APP_SOCKETS_ACK   APP_ACCEPTING   APP_GONE   TOLD_TO_END
 *
 * A child speaks first: HELLO, then what it holds already (nothing at its start), then
 * REPORT_END. It says the same to every supervisor that connects to its socket in the
 * runtime directory; that is how one that was killed is succeeded.
 *
 * Everything about an app names it and its generation: a late answer to an older
 * generation is recognised and dropped.
 *
 * Between versions: HELLO, REPORT_*, STOP, APP_RETIRE and APP_GONE never change, so that a
 * supervisor of another version can take the sockets over, send the child into retirement and end
 * it. All else may, together with CONTROL_PROTOCOL, and is neither sent nor believed then.
 */
#ifndef FPROXY_BASE_CONTROL_MESSAGE_H
#define FPROXY_BASE_CONTROL_MESSAGE_H

#include <stdint.h>

#include "base/names.h"
#include "base/record.h"

enum {
    CONTROL_MAGIC = 0x66707832,     /* "fpx2" */
    CONTROL_PROTOCOL = 6,           /* changes with the layout or meaning of any message */
    CONTROL_FDS_MAX = 250,
    CONTROL_FD = 3,                 /* where a child finds its connection at start */
    CONTROL_LISTEN_FD = 4,          /* ... and a bound socket: it listens there for successors */
};

/* Asked by this option whether it could take over, each program says this, its CONTROL_PROTOCOL and
 * its version on stdout (supervisor/trial.h). */
#define CONTROL_TRIAL_OPTION "--upgrade-trial"
#define CONTROL_TRIAL_WORD "fproxy-upgrade"

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
    CONTROL_APP_ACCEPTING,
    CONTROL_APP_RETIRE,
    CONTROL_REPORT_APP,
    CONTROL_REPORT_SOCKETS,
    CONTROL_REPORT_END,
    CONTROL_APP_FOLLOW,
    CONTROL_APP_UNRESPONSIVE,
    CONTROL_TARGET_REPORT,
    CONTROL_APP_OVERRIDES,
    CONTROL_APP_OVERRIDES_MORE,
    CONTROL_TOLD_TO_END,
    CONTROL_TYPES
};

enum control_role { CONTROL_PROBER = 1, CONTROL_WORKER };

struct control_hello {
    uint32_t role;              /* enum control_role */
    int32_t pid;
    uint32_t protocol;          /* CONTROL_PROTOCOL of the child */
    uint32_t threads;           /* data threads of a worker; 0: none started yet */
    char version[32];           /* FPROXY_VERSION of the child */
    char name[APP_NAME_BYTES];  /* of a worker */
};

/* TOLD_TO_END: somebody else (SIGTERM) wants the worker to end. It serves and takes clients until
 * the supervisor has given its apps to another one; told to each supervisor until then. */

/* How far a generation is, in a report; `count` of REPORT_APP. */
enum control_report { CONTROL_IS_LOADED = 1, CONTROL_IS_ACCEPTING, CONTROL_IS_DRAINING };

/* APP_LOAD, APP_ACCEPTING, APP_UNLOAD, APP_GONE: only the name and generation.
 * APP_COMMIT: `count` sockets were sent with this generation. A port for which none were is
 *   one that an older generation, or another app of this worker, has already; else it fails.
 * APP_ACCEPT: this generation takes the clients from now on; older ones of the app that are in
 *   this worker give it their listening sockets and their connections, except those of a port
 *   or target that it has not: these have `count` ms left. APP_ACCEPTING when all threads did.
 * APP_LOADED: `result` is 0 or -errno, `detail` says why in English.
 * APP_BOARD: `board_number` of the board that now counts; to the prober also of the present
 *   one, when its worker has a new traffic page. The prober does without the page as well.
 * APP_GROW: `count` endpoints have to fit; the present board has too few slots.
 * APP_UNRESPONSIVE: clients of its port are not served, although a target is available; `detail` is
 *   what a liveness probe met, for `count` ms.
 * APP_DRAIN: its ports are gone: who waits in their queues is still taken, then they close;
 *   `count` is the time in ms until what is left is closed; APP_GONE when all of it is.
 * APP_RETIRE: its ports live on elsewhere: it stops accepting and leaves the queues alone;
 *   `count` as above, 0: no limit.
 * APP_FOLLOW: instead of APP_COMMIT, after the APP_LOAD of what serves in another process now:
 *   it takes over from the generation that has retired here and is as retired as that one, with
 *   the rest of its time; connections of a port or target that it has not have `count` ms left.
 *   APP_GONE when it has none, at once if nothing is there that has retired.
 * APP_OVERRIDES: all that an operator said of the app (override.h), of whatever generation, in
 *   the place of what was said before; without a descriptor there is nothing. `count` comes back
 *   when it is published: from then on no new connection goes where it says so.
 * APP_OVERRIDES_MORE: the same, of a supervisor that does not know all: word by word in their order
 *   (override_say()), beside what was said before.
 * APP_SOCKETS_ACK: `count` descriptors have arrived so far.
 * REPORT_APP: `count` (enum control_report), `board_number` and, of a worker, `traffic_number`
 *   of the files in use. */
struct control_app {
    char app[APP_NAME_BYTES];
    uint32_t generation;        /* of the app's configuration */
    uint32_t board_number;
    uint32_t traffic_number;    /* of the traffic page, beside it in the runtime directory */
    uint32_t count;
    int32_t result;
    char detail[DETAIL_BYTES];
};

/* APP_SOCKETS, REPORT_SOCKETS: descriptor i is a listening socket of the app's port number
 * `port[i]`, counted from 0 in the order of its canonical text. */
struct control_sockets {
    char app[APP_NAME_BYTES];
    uint32_t generation;
    uint32_t first;             /* so many came in earlier messages */
    uint32_t total;             /* of all messages together */
    uint16_t port[CONTROL_FDS_MAX];
};

/* control_health.panic; as in probes/ladder.h. */
enum control_panic { CONTROL_PANIC_NONE, CONTROL_PANIC_LAST_GOOD, CONTROL_PANIC_ALL };

struct control_health {
    char app[APP_NAME_BYTES];
    uint32_t generation;
    uint32_t total;             /* endpoints, and targets that have none yet */
    uint32_t available;         /* known to work now */
    uint32_t eligible;          /* may get connections (without panic) */
    uint32_t first_round_done;  /* every endpoint's first probe ended */
    uint32_t panic;             /* enum control_panic: nothing is eligible, every one is offered */
    uint32_t panics;            /* how often that was so */
};

/* TARGET_REPORT: what a target says of itself (kind = "push"). */
struct control_target_report {
    char app[APP_NAME_BYTES];
    char target[TARGET_NAME_BYTES];     /* as configured, or the address of an endpoint */
    uint32_t failed;
    uint32_t degraded;
    char detail[DETAIL_BYTES];
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
        struct control_sockets sockets;
        struct control_health health;
        struct control_target_report report;
        struct control_stop stop;
        struct record record;
    } body;
};

#endif
