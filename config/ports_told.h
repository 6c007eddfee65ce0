/*
 * ports_told - says which ports are taken, neighbours of a range in one message.
 */
#ifndef FPROXY_CONFIG_PORTS_TOLD_H
#define FPROXY_CONFIG_PORTS_TOLD_H

#include "base/address.h"
#include "config/problem.h"

/* Who stands in the way, and where. */
struct port_holder {
    const void *owner;          /* who: compared only; NULL: the app itself */
    const char *app, *file;     /* borrowed; of another one */
    unsigned line;              /* 0: not known */
    struct address address;     /* as the holder has it */
};

struct ports_told {
    struct problems *problems;
    const char *key;            /* "ports" */
    bool open;                  /* a run is at hand: */
    struct address first;
    unsigned line, more;
    struct port_holder holder;
};

void ports_told_begin(struct ports_told *told, struct problems *problems, const char *key);
/* The next port that is taken, wanted in `line`. */
void ports_told_add(struct ports_told *told, const struct address *wanted, unsigned line,
                    const struct port_holder *holder);
void ports_told_end(struct ports_told *told);

#endif
