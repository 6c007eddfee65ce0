#include "proxy/commands/pem.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    LABEL_BYTES = 64,           /* "CERTIFICATE" */
    DER_BYTES_MAX = 256 << 10,  /* of one; those of the world have 1 to 4 KiB */
    DER_SEQUENCE = 0x30,
    DER_BIT_STRING = 0x03,
};

/* What is still to be read. */
struct lines {
    const char *at, *end;
    unsigned number;            /* of the line that was read last */
};

struct line {
    const char *text;
    size_t length;              /* without spaces at its end */
};

static bool
next_line(struct lines *lines, struct line *line)
{
    const char *end;

    if (lines->at == lines->end)
        return false;
    end = memchr(lines->at, '\n', (size_t)(lines->end - lines->at));
    line->text = lines->at;
    line->length = (size_t)((end != NULL ? end : lines->end) - lines->at);
    lines->at = end != NULL ? end + 1 : lines->end;
    lines->number++;
    while (line->length > 0 && strchr(" \t\r", line->text[line->length - 1]) != NULL &&
           line->text[line->length - 1] != '\0')
        line->length--;
    return true;
}

/* "-----BEGIN LABEL-----", where `word` is "BEGIN " or "END ". */
static bool
is_mark(const struct line *line, const char *word, char label[LABEL_BYTES])
{
    static const char dashes[] = "-----";
    size_t begin = strlen(dashes) + strlen(word), length;

    if (line->length < begin + strlen(dashes) || memcmp(line->text, dashes, strlen(dashes)) != 0 ||
        memcmp(line->text + strlen(dashes), word, strlen(word)) != 0 ||
        memcmp(line->text + line->length - strlen(dashes), dashes, strlen(dashes)) != 0)
        return false;
    length = line->length - begin - strlen(dashes);
    if (length >= LABEL_BYTES)
        return false;
    memcpy(label, line->text + begin, length);
    label[length] = '\0';
    return true;
}

/* ---- base64 ---- */

struct base64 {
    uint8_t bytes[DER_BYTES_MAX];
    size_t length;
    uint32_t bits, padding;
    unsigned bit_count;
};

static int
value_of(char character)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *found = character == '\0' ? NULL : strchr(digits, character);

    return found == NULL ? -1 : (int)(found - digits);
}

static bool
base64_add(struct base64 *to, const struct line *line)
{
    for (size_t i = 0; i < line->length; i++) {
        int value = value_of(line->text[i]);

        if (line->text[i] == ' ' || line->text[i] == '\t' ||
            (line->text[i] == '=' && ++to->padding <= 2))
            continue;
        if (value < 0 || to->padding > 0)
            return false;
        to->bits = to->bits << 6 | (uint32_t)value;
        to->bit_count += 6;
        if (to->bit_count < 8)
            continue;
        to->bit_count -= 8;
        if (to->length == sizeof to->bytes)
            return false;
        to->bytes[to->length++] = (uint8_t)(to->bits >> to->bit_count);
    }
    return true;
}

/* ---- DER ---- */

/* The length of the contents of the element of type `tag` that begins at `*at`, which moves there;
 * false when it does not fit into what is left before `end`. */
static bool
der_enter(const uint8_t **at, const uint8_t *end, uint8_t tag, size_t *length)
{
    size_t value = 0;
    unsigned more;

    if (end - *at < 2 || (*at)[0] != tag)
        return false;
    value = (*at)[1];
    *at += 2;
    if (value >= 0x80) {
        more = (unsigned)(value & 0x7f);
        if (more == 0 || more > 4 || (size_t)(end - *at) < more)
            return false;
        for (value = 0; more > 0; more--)
            value = value << 8 | *(*at)++;
    }
    *length = value;
    return value <= (size_t)(end - *at);
}

static bool
der_skip(const uint8_t **at, const uint8_t *end, uint8_t tag)
{
    size_t length;

    if (!der_enter(at, end, tag, &length))
        return false;
    *at += length;
    return true;
}

/* Certificate ::= SEQUENCE { tbsCertificate SEQUENCE, signatureAlgorithm SEQUENCE, BIT STRING }.
 * What OpenSSL calls a trusted one has something behind it. */
static bool
is_certificate(const uint8_t *at, size_t length, bool may_go_on)
{
    const uint8_t *end = at + length;

    if (!der_enter(&at, end, DER_SEQUENCE, &length) ||
        (!may_go_on && length != (size_t)(end - at)))
        return false;
    end = at + length;
    return der_skip(&at, end, DER_SEQUENCE) && der_skip(&at, end, DER_SEQUENCE) &&
           der_skip(&at, end, DER_BIT_STRING) && at == end;
}

/* ---- all of it ---- */

/* The block that begins with `label`, to its END; `block` is scratch. */
static bool
read_block(struct lines *lines, const char *label, bool wanted, struct base64 *block)
{
    char other[LABEL_BYTES];
    struct line line;

    block->length = block->bits = block->padding = block->bit_count = 0;
    while (next_line(lines, &line)) {
        if (is_mark(&line, "END ", other))
            return strcmp(label, other) == 0 &&
                   (!wanted || is_certificate(block->bytes, block->length,
                                              strcmp(label, "TRUSTED CERTIFICATE") == 0));
        if (wanted && !base64_add(block, &line))
            return false;
    }
    return false;
}

static int
count_blocks(struct lines *lines, struct base64 *block, unsigned *line_number)
{
    char label[LABEL_BYTES];
    struct line line;
    int count = 0;

    while (next_line(lines, &line)) {
        bool wanted;

        if (!is_mark(&line, "BEGIN ", label))
            continue;
        *line_number = lines->number;
        wanted = strcmp(label, "CERTIFICATE") == 0 || strcmp(label, "X509 CERTIFICATE") == 0 ||
                 strcmp(label, "TRUSTED CERTIFICATE") == 0;
        if (!read_block(lines, label, wanted, block))
            return -EINVAL;
        count += wanted;
    }
    return count;
}

int
pem_count(const char *text, size_t length, unsigned *line_number)
{
    struct lines lines = { text, text + length, 0 };
    struct base64 *block = malloc(sizeof *block);
    int count = block == NULL ? -ENOMEM : count_blocks(&lines, block, line_number);

    free(block);
    return count;
}
