/*
 * text - copies of texts into fields of fixed size. Any code of the supervisor.
 */
#ifndef FPROXY_SUPERVISOR_TEXT_H
#define FPROXY_SUPERVISOR_TEXT_H

#include <stddef.h>

/* Copies what fits, always ends with NUL; what is left is cut. */
static inline void
text_copy(char *to, size_t to_bytes, const char *from)
{
    size_t i = 0;

    for (; i + 1 < to_bytes && from[i] != '\0'; i++)
        to[i] = from[i];
    to[i] = '\0';
}

#endif
