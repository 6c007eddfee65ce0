/*
 * utf8 - texts cut to a size without half a character at their end, which JSON and
 * databases would refuse. Any code may use it.
 */
#ifndef FPROXY_BASE_UTF8_H
#define FPROXY_BASE_UTF8_H

#include <stddef.h>

/* How many of the first `bytes` bytes of `text` to keep, so that the last character is
 * whole. What is not UTF-8 is left as it is. */
size_t utf8_whole(const char *text, size_t bytes);

/* Copies as much of `from` as fits into `to`, NUL included; `to_bytes` is at least 1. */
void utf8_copy(char *to, size_t to_bytes, const char *from);

#endif
