/*
 * report - what a load run measured, for people and as JSON.
 */
#ifndef FPROXY_FTEST_REPORT_H
#define FPROXY_FTEST_REPORT_H

#include <stdint.h>

#include "ftest/load.h"

/* Both write to standard output; `address` is what the command was given. */
void report_print(const char *address, const struct load_plan *plan,
                  const struct load_result *result);
void report_print_json(const char *address, const struct load_plan *plan,
                       const struct load_result *result);

/* One line on a terminal that replaces the one before it, on standard error. */
void report_progress(const struct load_result *so_far, uint32_t in_flight);
void report_progress_end(void);

#endif
