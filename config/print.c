#include "config/print.h"

#include <errno.h>
#include <stdlib.h>

#include "config/duration.h"

int
print_begin(struct print *print)
{
    *print = (struct print){ 0 };
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
print_begin_value(struct print *print, int indent, const char *key)
{
    fprintf(print->stream, "%*s%s = ", print->in_line ? 0 : indent, "", key);
}

void
print_end_value(struct print *print)
{
    fputs(print->in_line ? "; " : ";\n", print->stream);
}

void
print_text(struct print *print, int indent, const char *key, const char *text)
{
    print_begin_value(print, indent, key);
    print_quoted(print, text);
    print_end_value(print);
}

void
print_number(struct print *print, int indent, const char *key, uint32_t number)
{
    print_begin_value(print, indent, key);
    fprintf(print->stream, "%u", number);
    print_end_value(print);
}

void
print_duration(struct print *print, int indent, const char *key, uint32_t ms)
{
    char text[DURATION_TEXT_BYTES];

    print_text(print, indent, key, duration_format(ms, text));
}
