/*
 * json_lines - in which line each value of a JSON text stands, which jansson does not say.
 */
#ifndef FPROXY_CONFIG_JSON_LINES_H
#define FPROXY_CONFIG_JSON_LINES_H

#include <stddef.h>

struct json_lines {
    unsigned *lines;            /* owned; of every value, in the order of the text */
    size_t count;
    size_t next;                /* the reader's */
};

/* `text` is known to be JSON. 0 or -ENOMEM. */
int json_lines_init(struct json_lines *lines, const char *text, size_t length);
void json_lines_fini(struct json_lines *lines);

#endif
