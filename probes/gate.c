/*
 * Two classes, up and down. Each destination has a queue for each class, and stands in the
 * gate's list of that class exactly while it has somebody waiting whom its own limit lets
 * through; so the next to run is always the first of a list, and nothing is searched.
 */
#include "probes/gate.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/util.h"

enum { CLASS_UP, CLASS_DOWN, CLASSES };

TAILQ_HEAD(ticket_list, gate_ticket);
TAILQ_HEAD(destination_list, gate_destination);

struct gate_destination {
    struct address key;                     /* port 0: all ports of an address count together */
    UT_hash_handle hh;
    struct ticket_list waiting[CLASSES];
    TAILQ_ENTRY(gate_destination) link[CLASSES];
    bool listed[CLASSES];
    uint32_t running, running_down;
};

struct gate {
    struct gate_destination *destinations;  /* owned, by address */
    struct destination_list open[CLASSES];
    uint32_t limit, limit_per_destination;
    uint32_t running, running_down, waiting;
    bool pumping;
    gate_open_fn *on_open;
};

struct gate *
gate_create(uint32_t limit, uint32_t limit_per_destination, gate_open_fn *on_open)
{
    struct gate *gate = calloc(1, sizeof *gate);

    if (gate == NULL)
        return NULL;
    for (int class = 0; class < CLASSES; class++)
        TAILQ_INIT(&gate->open[class]);
    gate->on_open = on_open;
    gate->limit = MAX(limit, 1);
    gate->limit_per_destination = MAX(limit_per_destination, 1);
    return gate;
}

void
gate_destroy(struct gate *gate)
{
    assert(gate->running == 0);
    assert(gate->waiting == 0);
    assert(gate->destinations == NULL);
    free(gate);
}

static bool
within(uint32_t limit, uint32_t running, uint32_t running_down, int class)
{
    return running < limit && (class == CLASS_UP || running_down < MAX(limit / 2, 1));
}

static bool
destination_admits(const struct gate *gate, const struct gate_destination *destination,
                   int class)
{
    return within(gate->limit_per_destination, destination->running,
                  destination->running_down, class);
}

/* Keeps the rule of the file comment after anything changed at `destination`. */
static void
destination_update(struct gate *gate, struct gate_destination *destination)
{
    for (int class = 0; class < CLASSES; class++) {
        bool listed = !TAILQ_EMPTY(&destination->waiting[class]) &&
                      destination_admits(gate, destination, class);

        if (listed && !destination->listed[class])
            TAILQ_INSERT_TAIL(&gate->open[class], destination, link[class]);
        if (!listed && destination->listed[class])
            TAILQ_REMOVE(&gate->open[class], destination, link[class]);
        destination->listed[class] = listed;
    }
}

static struct gate_destination *
destination_get(struct gate *gate, const struct address *address)
{
    struct gate_destination *destination;
    struct address key = *address;

    key.port = 0;
    HASH_FIND(hh, gate->destinations, &key, sizeof key, destination);
    if (destination != NULL)
        return destination;
    destination = calloc(1, sizeof *destination);
    if (destination == NULL)
        return NULL;
    destination->key = key;
    for (int class = 0; class < CLASSES; class++)
        TAILQ_INIT(&destination->waiting[class]);
    HASH_ADD(hh, gate->destinations, key, sizeof destination->key, destination);
    return destination;
}

static void
destination_drop_unused(struct gate *gate, struct gate_destination *destination)
{
    if (destination->running > 0)
        return;
    for (int class = 0; class < CLASSES; class++) {
        if (!TAILQ_EMPTY(&destination->waiting[class]))
            return;
    }
    HASH_DEL(gate->destinations, destination);
    free(destination);
}

static void
ticket_run(struct gate *gate, struct gate_ticket *ticket)
{
    struct gate_destination *destination = ticket->destination;

    ticket->running = true;
    gate->running++;
    destination->running++;
    if (ticket->down) {
        gate->running_down++;
        destination->running_down++;
    }
    destination_update(gate, destination);
}

/* The next who may run, out of its queue; NULL: nobody. */
static struct gate_ticket *
next_open(struct gate *gate)
{
    for (int class = 0; class < CLASSES; class++) {
        struct gate_destination *destination = TAILQ_FIRST(&gate->open[class]);
        struct gate_ticket *ticket;

        if (destination == NULL ||
            !within(gate->limit, gate->running, gate->running_down, class))
            continue;
        /* To the end of the list: destinations take turns. */
        TAILQ_REMOVE(&gate->open[class], destination, link[class]);
        destination->listed[class] = false;
        ticket = TAILQ_FIRST(&destination->waiting[class]);
        assert(ticket != NULL);
        assert(gate->waiting > 0);
        TAILQ_REMOVE(&destination->waiting[class], ticket, link);
        gate->waiting--;
        return ticket;
    }
    return NULL;
}

/* A probe may end inside `on_open` and come back here: the outer loop goes on then, so that
 * a long queue of such probes does not become a deep stack. */
static void
pump(struct gate *gate)
{
    struct gate_ticket *ticket;

    if (gate->pumping)
        return;
    gate->pumping = true;
    while ((ticket = next_open(gate)) != NULL) {
        ticket_run(gate, ticket);
        gate->on_open(ticket);
    }
    gate->pumping = false;
}

void
gate_set_limits(struct gate *gate, uint32_t limit, uint32_t limit_per_destination)
{
    struct gate_destination *destination, *next;

    gate->limit = MAX(limit, 1);
    gate->limit_per_destination = MAX(limit_per_destination, 1);
    HASH_ITER (hh, gate->destinations, destination, next)
        destination_update(gate, destination);
    pump(gate);
}

int
gate_enter(struct gate *gate, struct gate_ticket *ticket, const struct address *address,
           bool down)
{
    int class = down ? CLASS_DOWN : CLASS_UP;
    struct gate_destination *destination;

    assert(ticket->destination == NULL);
    destination = destination_get(gate, address);
    if (destination == NULL)
        return -ENOMEM;
    ticket->destination = destination;
    ticket->down = down;
    ticket->running = false;
    if (TAILQ_EMPTY(&destination->waiting[class]) &&
        destination_admits(gate, destination, class) &&
        within(gate->limit, gate->running, gate->running_down, class)) {
        ticket_run(gate, ticket);
        return 1;
    }
    TAILQ_INSERT_TAIL(&destination->waiting[class], ticket, link);
    gate->waiting++;
    destination_update(gate, destination);
    return 0;
}

void
gate_leave(struct gate *gate, struct gate_ticket *ticket)
{
    struct gate_destination *destination = ticket->destination;

    if (destination == NULL)
        return;
    if (ticket->running) {
        assert(gate->running > 0);
        assert(destination->running > 0);
        assert(destination->running_down >= ticket->down);
        gate->running--;
        destination->running--;
        gate->running_down -= ticket->down;
        destination->running_down -= ticket->down;
    } else {
        TAILQ_REMOVE(&destination->waiting[ticket->down ? CLASS_DOWN : CLASS_UP], ticket, link);
        gate->waiting--;
    }
    ticket->destination = NULL;
    ticket->running = false;
    destination_update(gate, destination);
    destination_drop_unused(gate, destination);
    pump(gate);
}

uint32_t
gate_running(const struct gate *gate)
{
    return gate->running;
}

uint32_t
gate_waiting(const struct gate *gate)
{
    return gate->waiting;
}
