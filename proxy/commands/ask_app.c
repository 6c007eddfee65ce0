#include "proxy/commands/ask_app.h"

#include <stdbool.h>
#include <string.h>

#include "base/cli.h"

/* A name that fits no app fits no URL either. */
static bool
may_be_app(const char *name)
{
    return name[0] != '\0' && strlen(name) < APP_NAME_BYTES &&
           name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-")] == '\0';
}

static int
no_such_app(const struct asked *asked, const char *name)
{
    json_t *answer = ask_status(asked);

    if (answer != NULL)
        ask_tell_no_app(asked, json_object_get(answer, "apps"), name);
    json_decref(answer);
    return CLI_USAGE;
}

int
ask_app(const struct asked *asked, const char *app, const char *path, int timeout_ms,
        ask_show_fn *show, const void *arguments)
{
    json_t *answer;
    int http_status, status;

    if (!may_be_app(app))
        return no_such_app(asked, app);
    answer = ask(asked, "POST", path, timeout_ms, &http_status);
    if (answer == NULL)
        return CLI_USAGE;
    status = http_status == 404 ? no_such_app(asked, app)
                                : show(asked, arguments, http_status, answer);
    json_decref(answer);
    return status;
}
