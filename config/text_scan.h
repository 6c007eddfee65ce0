/*
 * text_scan - finds in a configuration's text what libconfig 1.5 gets wrong in silence.
 *
 * It cuts 5000000000 to 705032704 (not 5000000000L: text_widen() mends that), ends the text at a
 * NUL byte, drops \x00 from a string, takes a string or comment that never ends for the end of
 * the file, follows @include, and needs hours for a group of a million keys.
 * All others are problems here, each with its line, and such a text must not be given to
 * libconfig. Follows libconfig's own scanner in what is string, comment and code.
 */
#ifndef FPROXY_CONFIG_TEXT_SCAN_H
#define FPROXY_CONFIG_TEXT_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "config/problem.h"

enum { TEXT_WIDE_MAX = 64 };    /* large numbers in a text; each beyond is a problem */

/* Where an L is missing: behind numbers of more than 32 bits. */
struct text_wide {
    const char *text;           /* borrowed */
    size_t at[TEXT_WIDE_MAX];
    unsigned count;
};

/* True when nothing was found. `text` ends with a NUL byte beyond `length`. */
bool text_scan(const char *text, size_t length, struct problems *problems,
               struct text_wide *wide);

/* The text with the missing Ls, on the heap; NULL without memory. */
char *text_widen(const struct text_wide *wide, size_t length);

#endif
