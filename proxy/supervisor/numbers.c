#include "proxy/supervisor/numbers.h"

#include <stdio.h>
#include <stdlib.h>
#include <uthash.h>

#include "base/clock.h"
#include "base/names.h"
#include "base/util.h"

/* Where the clock is not set yet, too: nobody has rolled out so often. */
enum { UNKNOWN_MIN = 1000000000 };

struct number {
    char app[APP_NAME_BYTES];
    uint32_t highest;
    UT_hash_handle hh;
};

uint32_t
numbers_unknown(void)
{
    return (uint32_t)MAX(clock_wall_ms() / 1000, UNKNOWN_MIN);
}

static struct number *
find(const struct numbers *numbers, const char *app)
{
    struct number *found = NULL;

    HASH_FIND_STR(numbers->table, app, found);
    return found;
}

static struct number *
add(struct numbers *numbers, const char *app)
{
    struct number *number = HASH_COUNT(numbers->table) < NUMBERS_MAX ? calloc(1, sizeof *number)
                                                                     : NULL;

    if (number == NULL) {
        numbers->incomplete = true;
        return NULL;
    }
    snprintf(number->app, sizeof number->app, "%s", app);
    HASH_ADD_STR(numbers->table, app, number);
    return number;
}

void
numbers_keep(struct numbers *numbers, const char *app, uint32_t number)
{
    struct number *kept = find(numbers, app);

    if (number == 0)
        return;
    if (kept == NULL)
        kept = add(numbers, app);
    if (kept != NULL)
        kept->highest = MAX(kept->highest, number);
}

uint32_t
numbers_highest(const struct numbers *numbers, const char *app)
{
    const struct number *kept = find(numbers, app);

    if (kept != NULL)
        return kept->highest;
    return numbers->incomplete ? numbers_unknown() : 0;
}

void
numbers_free(struct numbers *numbers)
{
    struct number *number, *next;

    HASH_ITER(hh, numbers->table, number, next) {
        HASH_DEL(numbers->table, number);
        free(number);
    }
}
