#include "config/errors.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A copy that is fit for a terminal, a log and JSON: parsers quote what they were given. */
static char *
printable(const char *message)
{
    char *copy = strdup(message);

    for (char *at = copy; at != NULL && *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || (unsigned char)*at >= 0x7f)
            *at = '?';
    return copy;
}

static void
error_fini(struct config_error *error)
{
    free(error->file);
    free(error->key);
    free(error->message);
}

static bool
list_grow(struct error_list *list)
{
    size_t room = list->room == 0 ? 1 : list->room * 2; /* most files have none or one */
    struct config_error *errors;

    if (list->count < list->room)
        return true;
    errors = reallocarray(list->errors, room, sizeof *errors);
    if (errors == NULL)
        return false;
    list->errors = errors;
    list->room = room;
    return true;
}

int
error_list_copy(struct error_list *list, const struct config_error *from)
{
    struct config_error *error;

    if (list->count == CONFIG_ERRORS_MAX) {
        list->dropped++;
        return 0;
    }
    if (!list_grow(list))
        return -ENOMEM;
    error = &list->errors[list->count];
    *error = *from;
    error->file = strdup(from->file);
    error->key = strdup(from->key);
    error->message = printable(from->message);
    if (error->file == NULL || error->key == NULL || error->message == NULL) {
        error_fini(error);
        return -ENOMEM;
    }
    list->count++;
    return 0;
}

void
errors_add(void *context, unsigned line, const char *key, const char *message)
{
    struct error_sink *sink = context;
    struct config_error error = {
        .file = (char *)sink->file, .line = line, .key = (char *)key, .message = (char *)message
    };

    snprintf(error.app, sizeof error.app, "%s", sink->app);
    if (error_list_copy(sink->list, &error) < 0)
        sink->out_of_memory = true;
}

void
error_list_fini(struct error_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        error_fini(&list->errors[i]);
    free(list->errors);
    *list = (struct error_list){ 0 };
}

char *
config_error_text(const struct config_error *error)
{
    char line[16] = "", *text;

    if (error->line > 0)
        snprintf(line, sizeof line, ":%u", error->line);
    if (asprintf(&text, "%s%s: %s%s%s%s%s", error->file, line, error->app,
                 error->app[0] != '\0' ? ": " : "", error->key,
                 error->key[0] != '\0' ? ": " : "", error->message) < 0)
        return NULL;
    return text;
}
