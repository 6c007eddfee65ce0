#include "config/json_lines.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static int
add(struct json_lines *lines, unsigned line)
{
    size_t count = lines->count;

    if ((count & (count - 1)) == 0) { /* a power of two: full */
        unsigned *grown = reallocarray(lines->lines, count == 0 ? 1 : count * 2, sizeof *grown);

        if (grown == NULL)
            return -ENOMEM;
        lines->lines = grown;
    }
    lines->lines[lines->count++] = line;
    return 0;
}

/* The byte behind the string that begins at `at`. */
static const char *
string_end(const char *at, const char *end)
{
    for (at++; at < end && *at != '"'; at++)
        at += *at == '\\';
    return at < end ? at + 1 : end;
}

static bool
is_space(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static bool
is_key(const char *after, const char *end)
{
    while (after < end && is_space(*after))
        after++;
    return after < end && *after == ':';
}

int
json_lines_init(struct json_lines *lines, const char *text, size_t length)
{
    const char *end = text + length;
    unsigned line = 1;
    int rc = 0;

    *lines = (struct json_lines){ 0 };
    for (const char *at = text; at < end && rc == 0;) {
        if (*at == '"') {
            at = string_end(at, end); /* holds no raw newline */
            if (!is_key(at, end))
                rc = add(lines, line);
        } else if (*at == '{' || *at == '[') {
            rc = add(lines, line);
            at++;
        } else if (is_space(*at) || strchr("}],:", *at) != NULL) {
            line += *at == '\n';
            at++;
        } else {
            rc = add(lines, line); /* a number, true, false, null */
            while (at < end && !is_space(*at) && strchr("}],:", *at) == NULL)
                at++;
        }
    }
    if (rc < 0)
        json_lines_fini(lines);
    return rc;
}

void
json_lines_fini(struct json_lines *lines)
{
    free(lines->lines);
    *lines = (struct json_lines){ 0 };
}
