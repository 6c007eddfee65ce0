#include "config/print.h"

#include <errno.h>
#include <stdlib.h>

#include "config/duration.h"

int
print_begin(struct print *print)
{
    print->text = NULL;
    print->stream = open_memstream(&print->text, &print->bytes);
    return print->stream == NULL ? -ENOMEM : 0;
}

char *
print_end(struct print *print)
{
    int failed = ferror(print->stream);

    if (fclose(print->stream) != 0 || failed) {
        free(print->text);
        return NULL;
    }
    return print->text;
}

void
print_quoted(struct print *print, const char *text)
{
    putc('"', print->stream);
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;

        if (byte == '"' || byte == '\\')
            fprintf(print->stream, "\\%c", byte);
        else if (byte < ' ' || byte == 0x7f)
            fprintf(print->stream, "\\x%02x", byte);
        else
            putc(byte, print->stream);
    }
    putc('"', print->stream);
}

void
print_text(struct print *print, int indent, const char *key, const char *text)
{
    fprintf(print->stream, "%*s%s = ", indent, "", key);
    print_quoted(print, text);
    fputs(";\n", print->stream);
}

void
print_number(struct print *print, int indent, const char *key, uint32_t number)
{
    fprintf(print->stream, "%*s%s = %u;\n", indent, "", key, number);
}

void
print_duration(struct print *print, int indent, const char *key, uint32_t ms)
{
    char text[DURATION_TEXT_BYTES];

    print_text(print, indent, key, duration_format(ms, text));
}
