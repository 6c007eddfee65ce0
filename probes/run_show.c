#include "probes/run_show.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"

enum { SHOWN_CHARACTERS = RUN_SHOWN_BYTES * 4 + 8 };

/* As in C; what is no ASCII as \xNN, so that it fits any terminal and JSON. */
static const char *
show_bytes(const unsigned char *bytes, size_t length, char *text)
{
    static const char named[] = "\r\n\t\"\\", names[] = "rnt\"\\";
    char *to = text;

    for (size_t i = 0; i < MIN(length, (size_t)RUN_SHOWN_BYTES); i++) {
        const char *found = bytes[i] == '\0' ? NULL : strchr(named, bytes[i]);

        if (found != NULL)
            to += sprintf(to, "\\%c", names[found - named]);
        else
            to += sprintf(to, bytes[i] >= ' ' && bytes[i] < 0x7f ? "%c" : "\\x%02x", bytes[i]);
    }
    strcpy(to, length > RUN_SHOWN_BYTES ? "..." : "");
    return text;
}

void
run_show_begin(struct run_show *show, const char *app, const char *target, const char *address,
               const char *probe, const char *kind)
{
    json_t *result;

    show->count = 0;
    show->started_us = clock_monotonic_us();
    if (!show->json) {
        printf("%s %s", app, target);
        if (address[0] != '\0' && strcmp(address, target) != 0)
            printf(" at %s", address);
        printf(", probe %s", probe);
        printf(strcmp(probe, kind) != 0 ? " (%s):\n" : ":\n", kind);
        return;
    }
    show->steps = json_array();
    result = json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "app", app, "target", target, "address",
                       address, "probe", probe, "kind", kind, "steps", show->steps);
    json_array_append_new(show->results, result);
}

void
run_show_step(struct run_show *show, const char *what, const void *bytes, size_t length)
{
    double at_ms = (double)(clock_monotonic_us() - show->started_us) / 1000.0;
    char text[SHOWN_CHARACTERS] = "";

    if (show->count++ >= RUN_STEPS_MAX)
        return;
    if (bytes != NULL)
        show_bytes(bytes, length, text);
    if (show->json)
        json_array_append_new(show->steps,
                              json_pack("{s:f, s:s, s:s, s:I}", "at_ms", at_ms, "what", what,
                                        "text", text, "bytes", (json_int_t)length));
    else if (bytes != NULL)
        printf("  %8.1f ms  %s \"%s\" (%zu byte%s)\n", at_ms, what, text, length,
               length == 1 ? "" : "s");
    else
        printf("  %8.1f ms  %s\n", at_ms, what);
}

/* A detail may hold what a target said: bytes that JSON does not take become question marks. */
static json_t *
plain_text(const char *text)
{
    char plain[512];
    json_t *json = json_string(text);

    if (json != NULL)
        return json;
    snprintf(plain, sizeof plain, "%s", text);
    for (char *at = plain; *at != '\0'; at++)
        *at = (unsigned char)*at < 0x80 ? *at : '?';
    return json_string(plain);
}

void
run_show_end(struct run_show *show, const char *outcome, double duration_ms, const char *detail)
{
    json_t *result;

    if (!show->json) {
        printf("  %8.1f ms  %s: %s\n", duration_ms, outcome, detail);
        return;
    }
    result = json_array_get(show->results, json_array_size(show->results) - 1);
    json_object_set_new(result, "outcome", json_string(outcome));
    json_object_set_new(result, "duration_ms", json_real(duration_ms));
    json_object_set_new(result, "detail", plain_text(detail));
}
