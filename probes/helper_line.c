#include "probes/helper_line.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "config/app_probe.h"
#include "probes/plain_text.h"
#include "probes/probe.h"

int
helper_line_ask(const struct probe *probe, uint64_t id, char *line)
{
    char address[ADDRESS_TEXT_BYTES];
    json_t *ask = json_pack("{sI ss ss ss sI}", "id", (json_int_t)id, "app", probe->app, "target",
                            probe->target, "address", address_format(&probe->address, address),
                            "timeout_ms", (json_int_t)probe->config->timeout_ms);
    size_t length;

    if (ask == NULL)
        return -ENOMEM;
    length = json_dumpb(ask, line, HELPER_LINE_BYTES - 2, JSON_COMPACT);
    json_decref(ask);
    if (length == 0)
        return -ENOMEM;
    if (length > HELPER_LINE_BYTES - 2)
        return -E2BIG;
    line[length] = '\n';
    line[length + 1] = '\0';
    return (int)length + 1;
}

/* A flag that may be missing. */
static bool
flag(const json_t *object, const char *key, bool *value)
{
    const json_t *member = json_object_get(object, key);

    *value = json_is_true(member);
    return member == NULL || json_is_boolean(member);
}

/* NULL, or what is wrong with it. */
static const char *
take(const json_t *object, struct helper_answer *answer)
{
    const json_t *id = json_object_get(object, "id"), *ok = json_object_get(object, "ok");
    const json_t *detail = json_object_get(object, "detail");
    const json_t *duration = json_object_get(object, "duration_ms");

    if (!json_is_object(object))
        return "it is no object";
    if (!json_is_integer(id) || json_integer_value(id) < 0)
        return "\"id\" must be the number that was asked with";
    if (!json_is_boolean(ok))
        return "\"ok\" must be true or false";
    if (!flag(object, "degraded", &answer->degraded) || !flag(object, "warning", &answer->warning))
        return "\"degraded\" and \"warning\" must be true or false";
    if (detail != NULL && !json_is_string(detail))
        return "\"detail\" must be a string";
    if (duration != NULL && (!json_is_number(duration) || json_number_value(duration) < 0))
        return "\"duration_ms\" must be a number from 0";
    answer->id = (uint64_t)json_integer_value(id);
    answer->ok = json_is_true(ok);
    answer->duration_ms = duration != NULL ? json_number_value(duration) : -1;
    plain_first_line(answer->detail, sizeof answer->detail,
                     detail != NULL ? json_string_value(detail) : "", json_string_length(detail));
    return NULL;
}

int
helper_line_read(const char *line, size_t length, struct helper_answer *answer, char *why)
{
    json_error_t error;
    json_t *object = json_loadb(line, length, JSON_REJECT_DUPLICATES, &error);
    const char *wrong;

    *answer = (struct helper_answer){ .duration_ms = -1 };
    if (object == NULL) {
        char text[DETAIL_BYTES];

        plain_text(text, sizeof text, error.text, strlen(error.text));
        snprintf(why, DETAIL_BYTES, "%.150s", text);
        return -EBADMSG;
    }
    wrong = take(object, answer);
    json_decref(object);
    if (wrong == NULL)
        return 0;
    snprintf(why, DETAIL_BYTES, "%s", wrong);
    return -EINVAL;
}
