/*
 * plain_text - what a program said, made fit for one line of a log, a table, JSON and a database.
 * Pure.
 */
#ifndef FPROXY_PROBES_PLAIN_TEXT_H
#define FPROXY_PROBES_PLAIN_TEXT_H

#include <stddef.h>

/* Into `to` (at least 1 byte), NUL included: valid UTF-8 without control characters
 * (tabs and ends of lines are spaces, other ones and what is not UTF-8 a "?"), and without blanks
 * at either end. */
void plain_text(char *to, size_t to_bytes, const char *from, size_t from_bytes);

/* The first line that says something, up to the "|" behind which monitoring plugins put their
 * figures. */
void plain_first_line(char *to, size_t to_bytes, const char *from, size_t from_bytes);

#endif
