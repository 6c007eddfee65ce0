#include "config/text_scan.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    SCAN_PROBLEMS_MAX = 20, /* binary garbage needs no list of all of its bytes */
    GROUP_KEYS_MAX = 1000,  /* libconfig compares each key of a group with all before it */
    DEPTH_MAX = 32,
};

struct scan {
    const char *at, *end;
    unsigned line;
    struct problems *problems;
    unsigned found;
    unsigned depth;                /* of groups */
    unsigned key_count[DEPTH_MAX]; /* of the group at each depth, so far */
    bool in_array;                 /* between [ and ] */
    struct text_wide *wide;
};

#define tell(scan, at_line, ...)                                                               \
    do {                                                                                       \
        if ((scan)->found++ < SCAN_PROBLEMS_MAX)                                               \
            problem_tell((scan)->problems, (at_line), "", __VA_ARGS__);                        \
    } while (0)

/* Steps over one byte; counts lines. A NUL byte was reported in nul_bytes(). */
static void
step(struct scan *scan)
{
    if (*scan->at == '\n')
        scan->line++;
    scan->at++;
}

static bool
at_text(const struct scan *scan, const char *text)
{
    size_t length = strlen(text);

    return (size_t)(scan->end - scan->at) >= length && memcmp(scan->at, text, length) == 0;
}

/* Up to and over `last`; false when the text ends before. */
static bool
skip_past(struct scan *scan, const char *last)
{
    while (scan->at < scan->end) {
        if (at_text(scan, last)) {
            for (size_t i = strlen(last); i > 0; i--)
                step(scan);
            return true;
        }
        step(scan);
    }
    return false;
}

static void
scan_string(struct scan *scan)
{
    unsigned first_line = scan->line;

    step(scan);
    while (scan->at < scan->end && *scan->at != '"') {
        if (at_text(scan, "\\x00") || at_text(scan, "\\X00"))
            tell(scan, scan->line, "\\x00 (a zero byte) cannot stand in a string");
        if (*scan->at == '\\' && scan->at + 1 < scan->end)
            step(scan);
        step(scan);
    }
    if (scan->at == scan->end)
        tell(scan, first_line, "this string has no closing quote (\")");
    else
        step(scan);
}

static void
scan_comment(struct scan *scan)
{
    unsigned first_line = scan->line;

    scan->at += 2; /* so that the star of slash-star-slash is not taken twice */
    if (!skip_past(scan, "*/"))
        tell(scan, first_line, "this comment never ends: \"*/\" is missing");
}

/* What libconfig would cut: it reads without a look at the size. With an L behind it, it is read
 * whole, and its key says what is wrong with it; elements of an array must all be alike. */
static void
check_integer(struct scan *scan, const char *digits, int base, bool is_long)
{
    char quoted[QUOTE_BYTES], number[QUOTE_BYTES];
    size_t length = (size_t)(scan->at - digits);
    struct text_wide *wide = scan->wide;
    long long value;

    errno = 0;
    value = strtoll(digits, NULL, base);
    if (errno == 0 && (is_long || (value >= INT32_MIN && value <= INT32_MAX)))
        return;
    if (errno == 0 && !scan->in_array && wide->count < TEXT_WIDE_MAX) {
        wide->at[wide->count++] = (size_t)(scan->at - wide->text);
        return;
    }
    length = MIN(length, sizeof number - 1);
    memcpy(number, digits, length);
    number[length] = '\0';
    problem_quote(number, quoted);
    quoted[strlen(quoted) - 1] = '\0'; /* a number reads better without quotes */
    tell(scan, scan->line, "the number %s is too large: a number must fit 32 bits (%d to %d)",
         quoted + 1, INT32_MIN, INT32_MAX);
}

static void
skip_name(struct scan *scan)
{
    while (*scan->at != '\0' &&
           (isalnum((unsigned char)*scan->at) || strchr("-_*", *scan->at) != NULL))
        scan->at++;
}

/* Does what follows the digits make it a real number? No key takes one. */
static bool
is_real(const char *at)
{
    if (*at == '.')
        return true;
    if (*at != 'e' && *at != 'E')
        return false;
    at++;
    return isdigit((unsigned char)at[*at == '+' || *at == '-']);
}

static void
scan_number(struct scan *scan)
{
    const char *first = scan->at;
    int base = 10;

    if (*scan->at == '+' || *scan->at == '-')
        scan->at++;
    else if (*scan->at == '0' && (scan->at[1] == 'x' || scan->at[1] == 'X'))
        base = 16;
    if (base == 16)
        for (scan->at += 2; isxdigit((unsigned char)*scan->at);)
            scan->at++;
    else
        while (isdigit((unsigned char)*scan->at))
            scan->at++;
    if (base == 10 && is_real(scan->at)) {
        skip_name(scan); /* an exponent; scan_code() takes a fraction */
        return;
    }
    check_integer(scan, first, base, *scan->at == 'L');
    while (*scan->at == 'L')
        scan->at++;
}

/* A million keys in one group would keep libconfig busy for hours. */
static void
scan_structure(struct scan *scan)
{
    switch (*scan->at) {
    case '{':
        if (++scan->depth == DEPTH_MAX)
            tell(scan, scan->line, "more than %d groups within each other", DEPTH_MAX - 1);
        if (scan->depth < DEPTH_MAX)
            scan->key_count[scan->depth] = 0;
        break;
    case '}':
        scan->depth -= scan->depth > 0;
        break;
    case '[':
    case ']':
        scan->in_array = *scan->at == '[';
        break;
    case '=':
    case ':':
        if (scan->depth < DEPTH_MAX && ++scan->key_count[scan->depth] == GROUP_KEYS_MAX + 1)
            tell(scan, scan->line, "more than %d keys in one group", GROUP_KEYS_MAX);
        break;
    case '@':
        tell(scan, scan->line,
             "@include is not allowed: write it into a file of its own in the directory, every "
             "*.conf there is read");
        break;
    }
    step(scan);
}

static void
scan_code(struct scan *scan)
{
    unsigned char byte = (unsigned char)*scan->at;

    if (byte == '"') {
        scan_string(scan);
    } else if (at_text(scan, "/*")) {
        scan_comment(scan);
    } else if (byte == '#' || at_text(scan, "//")) {
        skip_past(scan, "\n"); /* the last line may end without */
    } else if (isalpha(byte) || byte == '*' || byte == '.') {
        scan->at += byte == '.'; /* a fraction's digits may be many */
        skip_name(scan);
    } else if (isdigit(byte) ||
               ((byte == '-' || byte == '+') && isdigit((unsigned char)scan->at[1]))) {
        scan_number(scan);
    } else {
        scan_structure(scan);
    }
}

/* One message for all of them: they come in crowds. */
static void
nul_bytes(struct scan *scan)
{
    const char *nul = memchr(scan->at, '\0', (size_t)(scan->end - scan->at));
    unsigned line = 1;

    if (nul == NULL)
        return;
    for (const char *at = scan->at; at < nul; at++)
        line += *at == '\n';
    tell(scan, line, "a NUL byte: this is no text file");
}

bool
text_scan(const char *text, size_t length, struct problems *problems, struct text_wide *wide)
{
    struct scan scan = {
        .at = text, .end = text + length, .line = 1, .problems = problems, .wide = wide
    };

    wide->text = text;
    wide->count = 0;
    nul_bytes(&scan);
    if (scan.found > 0)
        return false; /* no text: what else it seems to hold would only confuse */
    while (scan.at < scan.end)
        scan_code(&scan);
    return scan.found == 0;
}

char *
text_widen(const struct text_wide *wide, size_t length)
{
    char *copy = malloc(length + wide->count + 1);
    size_t from = 0, to = 0;

    if (copy == NULL)
        return NULL;
    for (unsigned i = 0; i < wide->count; i++) {
        memcpy(copy + to, wide->text + from, wide->at[i] - from);
        to += wide->at[i] - from;
        from = wide->at[i];
        copy[to++] = 'L';
    }
    memcpy(copy + to, wide->text + from, length - from);
    copy[to + length - from] = '\0';
    return copy;
}
