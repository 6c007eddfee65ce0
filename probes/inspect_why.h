/*
 * inspect_why - why an endpoint is in its state, in plain sentences, and what happens next.
 *
 *    DNS answer -> address -> probe -> threshold -> state -> board -> what comes next
 *
 * Made of what the board says (inspect.h) and what the database adds (why_facts.h); where one of
 * them is missing it says less. Pure but for printing: `now_wall_ms` is UTC ms.
 */
#ifndef FPROXY_PROBES_INSPECT_WHY_H
#define FPROXY_PROBES_INSPECT_WHY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "probes/inspect.h"
#include "probes/why_facts.h"

enum why_step { WHY_DNS, WHY_ADDRESS, WHY_PROBE, WHY_RULE, WHY_STATE, WHY_BOARD, WHY_NEXT,
                WHY_STEPS };

enum { WHY_SENTENCE_BYTES = 640 };

/* A sentence a step. */
struct why {
    char sentences[WHY_STEPS][WHY_SENTENCE_BYTES];
};

/* What it takes until its state changes; 0: nothing of the kind is known, or would. */
struct why_needs {
    uint32_t successes, failures;   /* more of them in a row */
    int64_t earliest_ms;            /* wall: when that could be at the earliest */
};

/* "dns", "address"... as they stand before the sentences. */
const char *why_step_name(enum why_step step);

void why_need(const struct inspect_endpoint *endpoint, const struct why_policy *policy,
              struct why_needs *needs);

void why_tell(const struct inspect_app *app, const struct inspect_endpoint *endpoint,
              const struct why_facts *facts, int64_t now_wall_ms, struct why *why);

/* All endpoints of the view, each with its sentences and what happened before. 0 or -errno. */
int why_print(FILE *out, const struct inspect_view *view, const struct why_all *all,
              int64_t now_wall_ms, bool colours);

/* Adds "why" to each endpoint of what inspect_json() made of this view. 0 or -ENOMEM. */
int why_add_json(json_t *json, const struct inspect_view *view, const struct why_all *all,
                 int64_t now_wall_ms);

#endif
