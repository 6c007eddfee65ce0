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

void
errors_add(void *context, unsigned line, const char *key, const char *message)
{
    struct file_errors *errors = context;
    struct config *config = errors->config;
    struct config_error *error;

    if (config->error_count == CONFIG_ERRORS_MAX) {
        config->errors_dropped++;
        if (errors_mark_opaque(config, errors->file) < 0)
            errors->out_of_memory = true;
        return;
    }
    if (config->errors == NULL)
        config->errors = calloc(CONFIG_ERRORS_MAX, sizeof *config->errors);
    if (config->errors == NULL) {
        errors->out_of_memory = true;
        return;
    }
    error = &config->errors[config->error_count++];
    error->line = line;
    snprintf(error->app, sizeof error->app, "%s", errors->app);
    error->file = strdup(errors->file);
    error->key = strdup(key);
    error->message = printable(message);
    if (error->file == NULL || error->key == NULL || error->message == NULL)
        errors->out_of_memory = true;
}

static bool
comes_before(const struct config_error *a, const struct config_error *b)
{
    int order = strcmp(a->file, b->file);

    return order != 0 ? order < 0 : a->line < b->line;
}

/* By insertion: it keeps the order of equals, and the list is short and nearly sorted. */
void
errors_sort(struct config *config)
{
    for (size_t i = 1; i < config->error_count; i++) {
        struct config_error error = config->errors[i];
        size_t at = i;

        for (; at > 0 && comes_before(&error, &config->errors[at - 1]); at--)
            config->errors[at] = config->errors[at - 1];
        config->errors[at] = error;
    }
}

int
errors_mark_opaque(struct config *config, const char *file)
{
    size_t count = config->opaque_file_count;
    char **files;

    /* Most repetitions follow each other; one that does not, does no harm. */
    if (count > 0 && strcmp(config->opaque_files[count - 1], file) == 0)
        return 0;
    files = reallocarray(config->opaque_files, count + 1, sizeof *files);
    if (files == NULL)
        return -ENOMEM;
    config->opaque_files = files;
    files[count] = strdup(file);
    if (files[count] == NULL)
        return -ENOMEM;
    config->opaque_file_count++;
    return 0;
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
