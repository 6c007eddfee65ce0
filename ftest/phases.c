#include "ftest/phases.h"

#include <stdio.h>

#include "base/util.h"
#include "ftest/now.h"

struct phase_words {
    const char *name, *key;
};

static const struct phase_words words[] = {
    [PHASE_DIAL] = { "dial", "dial_ms" },
    [PHASE_WRITE] = { "write", "write_ms" },
    [PHASE_READ] = { "read", "read_ms" },
    [PHASE_RESPONSE] = { "response", "response_ms" },
};
_Static_assert(ARRAY_SIZE(words) == PHASES, "name every phase");

static double
ms_between(uint64_t from_ns, uint64_t to_ns)
{
    return to_ns <= from_ns ? 0 : (double)(to_ns - from_ns) / (double)NS_PER_MS;
}

/* A reply may differ, and end the exchange, before everything was written. */
void
phases_of(const struct exchange *exchange, struct phases *phases)
{
    uint64_t written_ns = exchange->written_ns != 0 ? exchange->written_ns : exchange->done_ns;

    phases->ms[PHASE_DIAL] = ms_between(exchange->dialled_ns, exchange->connected_ns);
    phases->ms[PHASE_WRITE] = ms_between(exchange->connected_ns, written_ns);
    phases->ms[PHASE_READ] = ms_between(written_ns, exchange->done_ns);
    phases->ms[PHASE_RESPONSE] = ms_between(exchange->dialled_ns, exchange->done_ns);
}

void
phases_add(struct phases_summary *summary, const struct phases *phases)
{
    for (int i = 0; i < PHASES; i++) {
        double ms = phases->ms[i];

        if (summary->count == 0 || ms < summary->min.ms[i])
            summary->min.ms[i] = ms;
        summary->max.ms[i] = MAX(summary->max.ms[i], ms);
        summary->sum.ms[i] += ms;
    }
    summary->count++;
}

static struct phases
mean_of(const struct phases_summary *summary)
{
    struct phases mean = summary->sum;

    for (int i = 0; i < PHASES; i++)
        mean.ms[i] /= (double)summary->count;
    return mean;
}

void
phases_print_names(void)
{
    for (int i = 0; i < PHASES; i++)
        printf(" %10s", words[i].name);
}

void
phases_print(const struct phases *phases)
{
    for (int i = 0; i < PHASES; i++) {
        if (phases == NULL)
            printf(" %10s", "-");
        else
            printf(" %10.3f", phases->ms[i]);
    }
}

void
phases_print_summary(const struct phases_summary *summary, int label_width)
{
    struct phases mean;

    if (summary->count == 0)
        return;
    mean = mean_of(summary);
    printf("%*s", label_width, "min");
    phases_print(&summary->min);
    printf("\n%*s", label_width, "avg");
    phases_print(&mean);
    printf("\n%*s", label_width, "max");
    phases_print(&summary->max);
    putchar('\n');
}

json_t *
phases_json(const struct phases *phases)
{
    json_t *object = json_object();

    for (int i = 0; i < PHASES; i++)
        json_object_set_new(object, words[i].key, json_real(phases->ms[i]));
    return object;
}

json_t *
phases_summary_json(const struct phases_summary *summary)
{
    struct phases mean;

    if (summary->count == 0)
        return json_null();
    mean = mean_of(summary);
    return json_pack("{s:o, s:o, s:o}", "min", phases_json(&summary->min), "avg",
                     phases_json(&mean), "max", phases_json(&summary->max));
}
