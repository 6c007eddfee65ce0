#include "probes/latency_chart.h"

#include <stdio.h>
#include <string.h>

#include "base/util.h"

enum { LEVELS = 8, MINUTE_MS = 60000 };

static const char *const blocks[LEVELS] = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
static const char *const letters[LEVELS] = { "_", ".", ":", "-", "=", "+", "*", "#" };

void
chart_init(struct chart *chart, int64_t from_ms, int64_t to_ms)
{
    int64_t begin_ms = from_ms - from_ms % MINUTE_MS;
    int64_t minutes = MAX(to_ms - begin_ms, 0) / MINUTE_MS + 1;

    *chart = (struct chart){ .from_ms = begin_ms };
    chart->column_minutes = (uint32_t)((minutes + CHART_COLUMNS - 1) / CHART_COLUMNS);
    chart->columns = (uint32_t)((minutes + chart->column_minutes - 1) / chart->column_minutes);
}

void
chart_add(struct chart *chart, const struct chart_minute *minute)
{
    int64_t column = (minute->minute_ms - chart->from_ms) / MINUTE_MS / chart->column_minutes;
    struct chart_bucket *bucket;

    if (minute->minute_ms < chart->from_ms || column >= chart->columns || minute->runs == 0)
        return;
    bucket = &chart->buckets[column];
    bucket->p50_ms = (bucket->p50_ms * (double)bucket->runs + minute->p50_ms * minute->runs) /
                     (double)(bucket->runs + minute->runs);
    bucket->runs += minute->runs;
    bucket->failures += minute->failures;
    bucket->max_ms = MAX(bucket->max_ms, minute->max_ms);
}

/* The block for `share` of the height, 0 to 1. */
static const char *
block(double share, bool utf8)
{
    int level = (int)(share * LEVELS);

    level = MIN(MAX(level, 0), LEVELS - 1);
    return utf8 ? blocks[level] : letters[level];
}

static void
append(char *text, const char *what)
{
    size_t used = strlen(text);

    snprintf(text + used, CHART_TEXT_BYTES - used, "%s", what);
}

bool
chart_medians(const struct chart *chart, bool utf8, char *text, double *lowest_ms,
              double *highest_ms)
{
    bool any = false;
    double span_ms;

    text[0] = '\0';
    for (uint32_t i = 0; i < chart->columns; i++) {
        const struct chart_bucket *bucket = &chart->buckets[i];

        if (bucket->runs == 0)
            continue;
        *lowest_ms = any ? MIN(*lowest_ms, bucket->p50_ms) : bucket->p50_ms;
        *highest_ms = any ? MAX(*highest_ms, bucket->p50_ms) : bucket->p50_ms;
        any = true;
    }
    if (!any)
        return false;
    /* What is hardly apart shall not look as if it were. */
    span_ms = MAX(*highest_ms - *lowest_ms, *lowest_ms / 2);
    for (uint32_t i = 0; i < chart->columns; i++) {
        const struct chart_bucket *bucket = &chart->buckets[i];

        if (bucket->runs == 0)
            append(text, " ");
        else
            append(text, block(span_ms > 0 ? (bucket->p50_ms - *lowest_ms) / span_ms : 0, utf8));
    }
    return true;
}

void
chart_failures(const struct chart *chart, bool utf8, char *text)
{
    text[0] = '\0';
    for (uint32_t i = 0; i < chart->columns; i++) {
        const struct chart_bucket *bucket = &chart->buckets[i];

        if (bucket->failures == 0)
            append(text, " ");
        else
            append(text, block((double)bucket->failures / (double)bucket->runs, utf8));
    }
}

struct chart_bucket
chart_total(const struct chart *chart)
{
    struct chart_bucket total = { 0 };

    for (uint32_t i = 0; i < chart->columns; i++) {
        total.runs += chart->buckets[i].runs;
        total.failures += chart->buckets[i].failures;
        total.max_ms = MAX(total.max_ms, chart->buckets[i].max_ms);
    }
    return total;
}
