/*
 * phases - how long the parts of an exchange took, and their minimum, mean and maximum.
 *
 *    dial       connect() to connected
 *    write      connected to the last byte of the request given to the kernel
 *    read       from then to the last byte of the reply
 *    response   all of these: what a client waits
 */
#ifndef FPROXY_FTEST_PHASES_H
#define FPROXY_FTEST_PHASES_H

#include <jansson.h>
#include <stdint.h>

#include "ftest/exchange.h"

enum phase { PHASE_DIAL, PHASE_WRITE, PHASE_READ, PHASE_RESPONSE, PHASES };

struct phases {
    double ms[PHASES];
};

struct phases_summary {
    uint64_t count;
    struct phases min, sum, max;
};

/* Of an exchange that ended with OUTCOME_OK or OUTCOME_MISMATCH. */
void phases_of(const struct exchange *exchange, struct phases *phases);

void phases_add(struct phases_summary *summary, const struct phases *phases);

/* Four columns of 11 characters: names, values ("-" for NULL). No line end. */
void phases_print_names(void);
void phases_print(const struct phases *phases);

/* Rows "min", "avg", "max", each behind `label_width` characters. */
void phases_print_summary(const struct phases_summary *summary, int label_width);

/* {"dial_ms", "write_ms", "read_ms", "response_ms"}; and {"min", "avg", "max"} of these, or
 * null without any. The caller owns the reference. */
json_t *phases_json(const struct phases *phases);
json_t *phases_summary_json(const struct phases_summary *summary);

#endif
