/*
 * override - what an operator said of an app's targets: the supervisor holds it, the prober obeys.
 *
 * TARGET is the configured text, an endpoint's address ("ip:port"), or OVERRIDE_ALL: every target
 * of the app, those to come as well. The nearest one counts: address, target, all. "ready" takes
 * one target out of what holds for all. Pure; fixed size, no pointers: it crosses processes.
 */
#ifndef FPROXY_BASE_OVERRIDE_H
#define FPROXY_BASE_OVERRIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/names.h"

#define OVERRIDE_ALL "*"

enum {
    OVERRIDE_NOTE_BYTES = 128,      /* so that a DETAIL_BYTES sentence has room for it */
    OVERRIDES_MAX = 4096,           /* of one app */
};

enum override_action {
    OVERRIDE_NONE,
    OVERRIDE_DRAIN,                 /* "drain": no new connections */
    OVERRIDE_MAINTAIN,              /* "maintain": nor probes */
    OVERRIDE_READY,                 /* "ready": as if there was none */
    OVERRIDE_ACTIONS
};

struct override {
    char target[TARGET_NAME_BYTES];
    char note[OVERRIDE_NOTE_BYTES];
    uint32_t action;                /* enum override_action */
    uint32_t unused;
    int64_t since_ms;               /* wall */
};

/* "" for what is none. */
const char *override_action_name(uint32_t action);
/* False when `name` is none of the three. */
bool override_action_parse(const char *name, enum override_action *action);

/* The one that counts for this target (as configured) and address ("": unresolved). NULL: none,
 * or it is "ready". */
const struct override *override_find(const struct override *list, size_t count,
                                     const char *target, const char *address);

/* One more word of an operator, said after all of the list, which has room for one more: in the
 * place of the one about the same target. "ready" of OVERRIDE_ALL undoes all; another word of it
 * undoes the exceptions ("ready"). Said again, with all that came after it, it changes nothing. */
void override_say(struct override *list, size_t *count, const struct override *said);

/* Checks what another process made: every text ends within its field, actions are known. */
bool override_valid(const struct override *list, size_t count);

#endif
