#include "config/problem.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { WORD_BYTES_MAX = 40 }; /* no key is longer; what is, resembles none */

void
problem_tell(struct problems *problems, unsigned line, const char *key, const char *format, ...)
{
    char message[PROBLEM_BYTES];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    problems->count++;
    problems->report(problems->context, line, key, message);
}

const char *
problem_quote(const char *text, char *quoted)
{
    const size_t room = QUOTE_BYTES - sizeof "\"..."; /* what must still fit at the end */
    size_t at = 0;

    quoted[at++] = '"';
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        bool plain = byte >= ' ' && byte < 0x7f;

        if (at + (plain ? 1 : 4) > room) {
            memcpy(quoted + at, "...", 3);
            at += 3;
            break;
        }
        if (plain)
            quoted[at++] = *text;
        else
            at += (size_t)sprintf(quoted + at, "\\x%02x", byte);
    }
    quoted[at++] = '"';
    quoted[at] = '\0';
    return quoted;
}

/* Damerau-Levenshtein (optimal string alignment): a swap of neighbours, the commonest slip,
 * counts once. Three rows are enough. */
static unsigned
edit_distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    unsigned rows[3][WORD_BYTES_MAX + 1];
    unsigned *before = rows[0], *above = rows[1], *row = rows[2];

    for (size_t j = 0; j <= b_length; j++)
        above[j] = (unsigned)j;
    for (size_t i = 1; i <= a_length; i++) {
        unsigned *oldest = before;

        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_length; j++) {
            unsigned best = above[j - 1] + (a[i - 1] != b[j - 1]);

            best = MIN(best, above[j] + 1);
            best = MIN(best, row[j - 1] + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                best = MIN(best, before[j - 2] + 1);
            row[j] = best;
        }
        before = above;
        above = row;
        row = oldest;
    }
    return above[b_length];
}

const char *
problem_nearest(const char *text, const char *const *words, size_t count, size_t stride)
{
    size_t length = strnlen(text, WORD_BYTES_MAX + 1);
    unsigned limit = length <= 4 ? 1 : (unsigned)length / 3;
    const char *nearest = NULL;

    if (length > WORD_BYTES_MAX)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        const char *const *at = (const void *)((const char *)words + i * stride);
        size_t word_length = strlen(*at);
        unsigned distance;

        if (word_length > WORD_BYTES_MAX)
            continue;
        distance = edit_distance(text, length, *at, word_length);
        if (distance <= limit) {
            limit = distance - (distance > 0); /* the next one must be nearer */
            nearest = *at;
            if (distance == 0)
                break;
        }
    }
    return nearest;
}
