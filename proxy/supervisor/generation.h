/*
 * generation - one version of an app's configuration and all that belongs to it.
 *
 *   app --current--> [ text | ports | pages | where it is loaded ]     serves
 *       --next-----> the same, on its way                              (rollout.h)
 *       --wanted---> what the configuration says, until `next` is free
 *       --leaving--> older ones that have connections left             (leaving.h)
 *
 * Several live side by side: a port is shared by reference, everything else is its own. While
 * a board grows there are two pairs of pages: pages_next until the prober has filled it, then
 * pages_old until the worker has left it. The loop's thread only.
 */
#ifndef FPROXY_SUPERVISOR_GENERATION_H
#define FPROXY_SUPERVISOR_GENERATION_H

#include <stdint.h>
#include <sys/queue.h>

#include "base/shared_text.h"
#include "config/app.h"
#include "proxy/supervisor/listeners.h"
#include "proxy/supervisor/pages.h"

struct app;
struct worker;

/* How far its worker is with it. */
enum load {
    LOAD_NONE,          /* it does not know it */
    LOAD_SENT,          /* it has been given everything, or is being given its sockets */
    LOAD_DONE,          /* all its threads know it */
    LOAD_ACCEPTING,     /* told to take the clients */
};

struct app_generation {
    uint32_t number;
    struct app_config config;       /* owned; without its targets: of them only the count is kept */
    uint32_t slots;                 /* of its first board */
    bool takes_reports;             /* one of its probes is of the kind push */
    struct shared_text *text;       /* a reference: the canonical text */
    char hash[65];
    char *source;                   /* owned: the file */
    struct app *app;                /* borrowed */
    struct listen_port **ports;     /* owned array of references, in the order of config.ports;
                                     * NULL: not acquired */
    struct pages *pages, *pages_next, *pages_old;   /* owned; NULL where there is none */
    struct worker *worker;          /* borrowed; NULL: none yet */
    LIST_ENTRY(app_generation) of_worker;   /* while `worker` is set */
    enum load load;
    TAILQ_ENTRY(app_generation) to_worker, to_prober;   /* while they are to be sent */
    bool for_worker, for_prober;
    uint32_t sockets_sent, sockets_total;   /* with this load */
    int text_fd;                    /* owned: left by who sent it first, for the other; -1 */
    bool recorded;                  /* the database holds it as good */
    bool to_record;                 /* it is, but may be what an operator went back from */
    bool loaded_before;             /* a worker has written to its traffic page */
    bool leaving;                   /* it has no clients to come; in app->leaving */
    bool stays;                     /* ... until its connections end: its worker serves it no
                                     * more, another one does */
    uint32_t followed_by;           /* the generation of which its worker was told since; 0: none */
    LIST_ENTRY(app_generation) of_app;      /* while it leaves */
};

/* Parses the text, of which it takes a reference of its own, and takes over `source`. 0; or
 * -EINVAL with the reason in `why` (DETAIL_BYTES), -ENOMEM: nothing is taken. */
int generation_create(struct app *app, uint32_t number, struct shared_text *text, char *source,
                      struct app_generation **generation, char *why);

/* One whose text cannot be parsed: it has no ports, and is only there to leave. NULL without
 * memory. */
struct app_generation *generation_create_unread(struct app *app, uint32_t number,
                                                uint32_t drain_ms);

/* The same text once more, for another worker. NULL without memory. */
struct app_generation *generation_clone(const struct app_generation *generation);

/* Gives everything back: ports, pages. It is in no worker. */
void generation_destroy(struct app_generation *generation);

/* Ports and pages alone: as it was before it was started. */
void generation_release(struct app_generation *generation);

/* Where it runs, from now on; NULL: nowhere. Its load begins anew. */
void generation_assign(struct app_generation *generation, struct worker *worker);

/* Does it have this port? */
bool generation_has_port(const struct app_generation *generation,
                         const struct address *address);

/* Is it what its worker means by this number of a traffic page (0: not told)? Each load has one of
 * its own, so that an answer to an earlier one of the same generation is told apart. */
bool generation_is_load(const struct app_generation *generation, uint32_t traffic_number);

/* Slots for the first board: each address, room for four per name, and a few more. Pure. */
uint32_t generation_slots(const struct app_config *config);

/* Slots for a board that has to hold `needed` endpoints; 0: it may not grow further. Pure. */
uint32_t generation_slots_grown(const struct app_config *config, uint32_t slots,
                                uint32_t needed);

/* For pages.h. */
struct pages_owner generation_pages_owner(const struct app_generation *generation);

/* Its text, sealed: a descriptor of the caller's, or -errno. */
int generation_text_fd(struct app_generation *generation);
/* The caller has sent it, and leaves it for the other one, if that is still to send it. */
void generation_leave_text_fd(struct app_generation *generation, int fd, bool other_sends);

#endif
