/*
 * print - writes canonical text: libconfig syntax, one key a line, always the same way.
 */
#ifndef FPROXY_CONFIG_PRINT_H
#define FPROXY_CONFIG_PRINT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Text that grows in memory; a failed write is found at the end. */
struct print {
    FILE *stream;
    char *text;
    size_t bytes;
    bool in_line;               /* keys follow each other on one line */
};

/* 0 or -ENOMEM. */
int print_begin(struct print *print);
/* The text, on the heap; NULL without memory. */
char *print_end(struct print *print);

/* `"text"` with quotes, so that libconfig reads the same bytes back. */
void print_quoted(struct print *print, const char *text);

/* What stands before and after a value: `KEY = ` and `;`, on a line of its own, where `indent` is
 * in spaces, unless print->in_line. */
void print_begin_value(struct print *print, int indent, const char *key);
void print_end_value(struct print *print);

/* Both, and the value. */
void print_text(struct print *print, int indent, const char *key, const char *text);
void print_number(struct print *print, int indent, const char *key, uint32_t number);
void print_duration(struct print *print, int indent, const char *key, uint32_t ms);

#endif
