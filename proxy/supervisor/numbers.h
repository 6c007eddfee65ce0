/*
 * numbers - the highest generation numbers of apps that are not there: removed, or known from the
 * database only. An app that comes back goes on above its number, so that no row of its history is
 * overwritten. Bounded. The loop's thread only.
 */
#ifndef FPROXY_SUPERVISOR_NUMBERS_H
#define FPROXY_SUPERVISOR_NUMBERS_H

#include <stdbool.h>
#include <stdint.h>

enum { NUMBERS_MAX = 16384 };       /* 2 MB */

struct number;

struct numbers {
    struct number *table;       /* uthash; owned */
    bool incomplete;            /* some are not known */
};

/* Higher than any number, when that is not known: seconds since 1970. */
uint32_t numbers_unknown(void);

/* The app has had this one, and all below it. What finds no room is not known from now on. */
void numbers_keep(struct numbers *numbers, const char *app, uint32_t number);

/* The highest that was kept. Else 0, or numbers_unknown() when it may have had one. */
uint32_t numbers_highest(const struct numbers *numbers, const char *app);

void numbers_free(struct numbers *numbers);

#endif
