/*
 * shown - bytes of a target as people see them in a detail.
 *
 * As in C, but octal: tables (libsmartcols) escape \xNN once more. A backslash stays one, for
 * regular expressions are shown too. Any code; nothing is allocated.
 */
#ifndef FPROXY_PROBES_SHOWN_H
#define FPROXY_PROBES_SHOWN_H

#include <stddef.h>

enum { SHOWN_BYTES = 40, SHOWN_CHARACTERS = 44 };   /* that is as much as is shown */

/* Into `text` (SHOWN_CHARACTERS), which is returned; "..." at its end where it is not all. */
const char *shown(char *text, const void *bytes, size_t count);

#endif
