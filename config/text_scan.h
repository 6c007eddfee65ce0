/*
 * text_scan - finds in a configuration's text what libconfig 1.5 gets wrong in silence.
 *
 * It cuts 5000000000 to 705032704, ends the text at a NUL byte, drops \x00 from a string,
 * takes a string or comment that never ends for the end of the file, follows @include, and
 * needs hours for a group of a million keys.
 * All of these are problems here, each with its line, and such a text must not be given to
 * libconfig. Follows libconfig's own scanner in what is string, comment and code.
 */
#ifndef FPROXY_CONFIG_TEXT_SCAN_H
#define FPROXY_CONFIG_TEXT_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "config/problem.h"

/* True when nothing was found. `text` ends with a NUL byte beyond `length`. */
bool text_scan(const char *text, size_t length, struct problems *problems);

#endif
