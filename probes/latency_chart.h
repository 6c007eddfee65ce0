/*
 * latency_chart - how long probes took, as a line of blocks in a terminal.
 *
 *    median |▁▁▂▁▁▁█▅▁▁| 0.1 to 4.2 ms       a column is one or more minutes
 *    failed |      ▂█▁ | 37 of 700 probes
 *
 * Where the terminal has no UTF-8, "_.:-=+*#" stand for the blocks. Pure.
 */
#ifndef FPROXY_PROBES_LATENCY_CHART_H
#define FPROXY_PROBES_LATENCY_CHART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CHART_COLUMNS = 64,
    CHART_BLOCK_BYTES = 3,                                          /* of one column in UTF-8 */
    CHART_TEXT_BYTES = CHART_COLUMNS * CHART_BLOCK_BYTES + 1,
};

/* What was measured in one minute. */
struct chart_minute {
    int64_t minute_ms;                  /* its begin */
    uint32_t runs, failures;
    double p50_ms, max_ms;
};

/* One column: the minutes of it taken together. */
struct chart_bucket {
    uint64_t runs, failures;
    double p50_ms;                      /* of its minutes' medians the mean, by runs */
    double max_ms;
};

struct chart {
    int64_t from_ms;                    /* begin of the first column: a whole minute */
    uint32_t column_minutes;
    uint32_t columns;                   /* up to CHART_COLUMNS */
    struct chart_bucket buckets[CHART_COLUMNS];
};

/* Columns for the time from `from_ms` to `to_ms`, as narrow as they fit. */
void chart_init(struct chart *chart, int64_t from_ms, int64_t to_ms);

/* Adds a minute; one outside of the chart is left out. */
void chart_add(struct chart *chart, const struct chart_minute *minute);

/* The line of medians, and that of the share of failures, into CHART_TEXT_BYTES. A column without
 * a probe is blank. Medians reach from the smallest to the largest, which are told; false: there
 * are none. */
bool chart_medians(const struct chart *chart, bool utf8, char *text, double *lowest_ms,
                   double *highest_ms);
void chart_failures(const struct chart *chart, bool utf8, char *text);

/* Of all columns. */
struct chart_bucket chart_total(const struct chart *chart);

#endif
