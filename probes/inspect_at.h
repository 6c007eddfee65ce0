/*
 * inspect_at - fproxy-probe inspect --at: who was available at an instant of the past.
 *
 *    transitions before the instant --> the state that the last one led to
 *    none before, but one after     --> the state which that one left, if it was probed before
 *    none at all                    --> the row in endpoints, if it is older than the instant
 *    otherwise                      --> not known, and that is said
 *
 * Only targets that the generation which served then has are shown, where that is known.
 */
#ifndef FPROXY_PROBES_INSPECT_AT_H
#define FPROXY_PROBES_INSPECT_AT_H

#include <stdbool.h>
#include <stdint.h>

#include "probes/inspect_places.h"

/* What the database has of one endpoint around an instant. Times are wall ms; 0: there is none. */
struct at_evidence {
    int64_t before_ms, after_ms;            /* the transitions next to the instant */
    int64_t row_since_ms;                   /* of the row in endpoints */
    int64_t first_probe_ms;                 /* the oldest that is recorded */
    char before_to[INSPECT_WORD_BYTES], before_reason[INSPECT_WORD_BYTES];
    char before_detail[DETAIL_BYTES];
    char after_from[INSPECT_WORD_BYTES];
    char row_state[INSPECT_WORD_BYTES], row_reason[INSPECT_WORD_BYTES];
};

enum at_verdict {
    AT_KNOWN,
    AT_NOT_KNOWN,           /* history says nothing of it */
    AT_NOT_THERE,           /* it came later, or was gone already */
};

/* Judges; AT_KNOWN: state, reason, since (0: before what is recorded) and the probe's detail of
 * `endpoint` are those of `at_ms`. Pure. */
enum at_verdict at_judge(const struct at_evidence *evidence, int64_t at_ms,
                         struct inspect_endpoint *endpoint);

/* Prints who was available at `at_ms`: all apps, one, or one target of it. The exit status. */
int inspect_at(const char *command, const struct inspect_places *places, const char *app,
               const char *target, int64_t at_ms, bool json);

#endif
