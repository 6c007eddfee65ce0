#include "ftest/report.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "ftest/now.h"

enum { BAR_WIDTH = 40 };

struct percentile {
    const char *label, *key;
    double percent;
};

static const struct percentile percentiles[] = {
    { "p50", "p50", 50 },
    { "p90", "p90", 90 },
    { "p99", "p99", 99 },
    { "p99.9", "p99_9", 99.9 },
};

/* Upper bounds of the rows of the printed histogram, in ms; what is above is one row more. */
static const double bounds_ms[] = {
    0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1,    2,    5,     10,    20,
    50,   100,  200,  500, 600, 1000, 2000, 5000, 10000, 20000,
};
enum { ROWS = ARRAY_SIZE(bounds_ms) + 1 };

static double
to_ms(double ns)
{
    return ns / (double)NS_PER_MS;
}

static double
per_second(uint64_t count, uint64_t elapsed_ns)
{
    return elapsed_ns == 0 ? 0 : (double)count * (double)NS_PER_S / (double)elapsed_ns;
}

static void
count_rows(const struct histogram *histogram, uint64_t rows[ROWS])
{
    uint64_t above = histogram->count;

    for (size_t i = 0; i < ARRAY_SIZE(bounds_ms); i++) {
        uint64_t rest = histogram_count_above(histogram,
                                              (uint64_t)(bounds_ms[i] * (double)NS_PER_MS));

        rows[i] = above - rest;
        above = rest;
    }
    rows[ROWS - 1] = above;
}

static void
print_times(const char *name, const struct histogram *histogram)
{
    printf("%-10s", name);
    if (histogram->count == 0) {
        printf("  no values\n");
        return;
    }
    printf(" %10.3f %10.3f", to_ms((double)histogram->min), to_ms(histogram_mean(histogram)));
    for (size_t i = 0; i < ARRAY_SIZE(percentiles); i++)
        printf(" %10.3f",
               to_ms((double)histogram_percentile(histogram, percentiles[i].percent)));
    printf(" %10.3f\n", to_ms((double)histogram->max));
}

static void
print_rows(const struct histogram *histogram)
{
    static const char bar[] = "########################################";
    uint64_t rows[ROWS], most = 0;
    size_t first = ROWS, last = 0;

    _Static_assert(sizeof bar == BAR_WIDTH + 1, "the longest bar");
    count_rows(histogram, rows);
    for (size_t i = 0; i < ROWS; i++) {
        if (rows[i] == 0)
            continue;
        first = MIN(first, i);
        last = i;
        most = MAX(most, rows[i]);
    }
    if (first == ROWS)
        return;
    printf("\nresponse times\n");
    for (size_t i = first; i <= last; i++) {
        int width = (int)(rows[i] * BAR_WIDTH / most);
        bool over = i == ROWS - 1;

        printf("  %s %8g ms %10" PRIu64 " %5.1f %%  %.*s\n", over ? "> " : "<=",
               bounds_ms[over ? i - 1 : i], rows[i],
               100.0 * (double)rows[i] / (double)histogram->count,
               rows[i] != 0 && width == 0 ? 1 : width, bar);
    }
}

static void
print_failures(const struct load_result *result)
{
    if (result->failed == 0)
        return;
    printf("\nfailures\n");
    for (int i = 0; i < OUTCOMES; i++) {
        if (result->failures[i] != 0)
            printf("  %-20s %10" PRIu64 "\n", outcome_name((enum outcome)i),
                   result->failures[i]);
    }
}

static void
print_plan(const char *address, const struct load_plan *plan)
{
    printf("simulate %s: %" PRIu32 " connections%s, %zu bytes a request, ", address,
           plan->connections, plan->keep ? " kept open" : "", plan->request->data_bytes);
    if (plan->rate > 0)
        printf("%g a second (open loop)\n\n", plan->rate);
    else
        printf("each after the other (closed loop)\n\n");
}

void
report_print(const char *address, const struct load_plan *plan,
             const struct load_result *result)
{
    uint64_t elapsed_ns = result->elapsed_ns;

    print_plan(address, plan);
    printf("%-10s %10" PRIu64 " in %.3f s, %.1f a second%s\n", "requests",
           result->succeeded + result->failed, (double)elapsed_ns / (double)NS_PER_S,
           per_second(result->succeeded, elapsed_ns),
           result->interrupted ? " (interrupted)" : "");
    printf("%-10s %10" PRIu64 "\n", "succeeded", result->succeeded);
    printf("%-10s %10" PRIu64 "\n", "failed", result->failed);
    printf("%-10s %10" PRIu64 " bytes, %.1f MB/s\n", "sent", result->bytes_sent,
           per_second(result->bytes_sent, elapsed_ns) / 1e6);
    printf("%-10s %10" PRIu64 " bytes, %.1f MB/s\n\n", "received", result->bytes_received,
           per_second(result->bytes_received, elapsed_ns) / 1e6);

    printf("%-10s %10s %10s", "ms", "min", "mean");
    for (size_t i = 0; i < ARRAY_SIZE(percentiles); i++)
        printf(" %10s", percentiles[i].label);
    printf(" %10s\n", "max");
    print_times("connect", &result->connect_ns);
    print_times("response", &result->response_ns);
    print_rows(&result->response_ns);
    print_failures(result);
}

/* null when nothing was measured. */
static json_t *
times_json(const struct histogram *histogram)
{
    json_t *times;

    if (histogram->count == 0)
        return json_null();
    times = json_pack("{s:I, s:f, s:f}", "count", (json_int_t)histogram->count,
                      "min", to_ms((double)histogram->min),
                      "mean", to_ms(histogram_mean(histogram)));
    for (size_t i = 0; i < ARRAY_SIZE(percentiles); i++) {
        double value = to_ms((double)histogram_percentile(histogram, percentiles[i].percent));

        json_object_set_new(times, percentiles[i].key, json_real(value));
    }
    json_object_set_new(times, "max", json_real(to_ms((double)histogram->max)));
    return times;
}

static json_t *
rows_json(const struct histogram *histogram)
{
    json_t *list = json_array();
    uint64_t rows[ROWS];

    count_rows(histogram, rows);
    for (size_t i = 0; i < ROWS; i++) {
        json_t *up_to = i < ROWS - 1 ? json_real(bounds_ms[i]) : json_null();

        if (rows[i] != 0)
            json_array_append_new(list, json_pack("{s:O, s:I}", "up_to_ms", up_to,
                                                  "count", (json_int_t)rows[i]));
        json_decref(up_to);
    }
    return list;
}

static json_t *
failures_json(const struct load_result *result)
{
    json_t *failures = json_object();

    for (int i = 0; i < OUTCOMES; i++) {
        if (result->failures[i] != 0)
            json_object_set_new(failures, outcome_name((enum outcome)i),
                                json_integer((json_int_t)result->failures[i]));
    }
    return failures;
}

void
report_print_json(const char *address, const struct load_plan *plan,
                  const struct load_result *result)
{
    json_t *report = json_pack(
        "{s:s, s:I, s:I, s:I, s:I, s:f, s:f, s:I, s:I, s:b, s:o, s:o, s:o, s:o}",
        "address", address, "connections", (json_int_t)plan->connections,
        "requests", (json_int_t)(result->succeeded + result->failed),
        "succeeded", (json_int_t)result->succeeded, "failed", (json_int_t)result->failed,
        "duration_s", (double)result->elapsed_ns / (double)NS_PER_S,
        "requests_per_s", per_second(result->succeeded, result->elapsed_ns),
        "bytes_sent", (json_int_t)result->bytes_sent,
        "bytes_received", (json_int_t)result->bytes_received,
        "interrupted", (int)result->interrupted,
        "connect_ms", times_json(&result->connect_ns),
        "response_ms", times_json(&result->response_ns),
        "histogram", rows_json(&result->response_ns),
        "failures", failures_json(result));

    json_dumpf(report, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(report);
}

void
report_progress(const struct load_result *so_far, uint32_t in_flight)
{
    uint64_t ended = so_far->succeeded + so_far->failed;

    fprintf(stderr,
            "\r%5.0f s  %" PRIu64 " requests  %.0f/s  %" PRIu64 " failed  %" PRIu32
            " under way  p99 %.3f ms\033[K",
            (double)so_far->elapsed_ns / (double)NS_PER_S, ended,
            per_second(so_far->succeeded, so_far->elapsed_ns), so_far->failed, in_flight,
            to_ms((double)histogram_percentile(&so_far->response_ns, 99)));
}

void
report_progress_end(void)
{
    fputs("\r\033[K", stderr);
}
