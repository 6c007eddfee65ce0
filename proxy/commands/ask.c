#include "proxy/commands/ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cli.h"
#include "base/http_get.h"
#include "proxy/supervisor/places.h"

void
ask_open(struct asked *asked, const char *command, const struct supervisor_options *options)
{
    struct places places;
    int rc = places_look_up(options, &places);

    if (rc < 0)
        cli_usage_error(command, "no runtime directory is known: %s", strerror(-rc));
    asked->command = command;
    memcpy(asked->state_dir, places.state_dir, sizeof asked->state_dir);
    memcpy(asked->runtime_dir, places.runtime_dir, sizeof asked->runtime_dir);
    snprintf(asked->socket_path, sizeof asked->socket_path, "%s/admin.sock",
             asked->runtime_dir);
}

int
ask_quietly(const struct asked *asked, const char *method, const char *path, int timeout_ms,
            int *status, json_t **answer)
{
    char *body = NULL;
    size_t bytes;
    int rc = http_request_unix(asked->socket_path, method, path, timeout_ms, status, &body,
                               &bytes);

    if (rc < 0)
        return rc;
    *answer = json_loadb(body, bytes, 0, NULL);
    free(body);
    if (json_is_object(*answer))
        return 0;
    json_decref(*answer);
    *answer = NULL;
    return -EPROTO;
}

static void
tell_unreachable(const struct asked *asked, const char *why)
{
    fprintf(stderr,
            "%s: no supervisor answers at %s (%s); start one with `fproxy', or name its runtime "
            "directory with --runtime-dir\n",
            asked->command, asked->socket_path, why);
}

void
ask_tell(const struct asked *asked, int rc)
{
    if (rc == -EACCES)
        fprintf(stderr,
                "%s: %s: permission denied; ask as the user that runs it, as a member of its "
                "group, or as root\n",
                asked->command, asked->socket_path);
    else if (rc == -ETIMEDOUT)
        fprintf(stderr,
                "%s: the supervisor at %s did not answer in time; look at its log, and at "
                "`fproxy status'\n",
                asked->command, asked->socket_path);
    else if (rc == -EPROTO)
        tell_unreachable(asked, "what answers is no fproxy of this version");
    else
        tell_unreachable(asked, strerror(-rc));
}

json_t *
ask(const struct asked *asked, const char *method, const char *path, int timeout_ms,
    int *status)
{
    json_t *answer = NULL;
    int rc = ask_quietly(asked, method, path, timeout_ms, status, &answer);
    bool known = rc == 0 && (*status == 200 || *status == 202 || *status == 404 ||
                             *status == 409);

    if (known)
        return answer;
    json_decref(answer);
    ask_tell(asked, rc < 0 ? rc : -EPROTO);
    return NULL;
}

json_t *
ask_status(const struct asked *asked)
{
    int status;
    json_t *answer = ask(asked, "GET", "/v1/status", ASK_TIMEOUT_MS, &status);

    if (answer == NULL || json_is_array(json_object_get(answer, "apps")))
        return answer;
    json_decref(answer);
    ask_tell(asked, -EPROTO);
    return NULL;
}

void
ask_tell_no_app(const struct asked *asked, const json_t *apps, const char *name)
{
    const json_t *app;
    size_t i;

    fprintf(stderr, "%s: there is no app `%s'; there %s:", asked->command, name,
            json_array_size(apps) == 1 ? "is" : "are");
    json_array_foreach(apps, i, app)
        fprintf(stderr, " %s", answer_text(app, "name"));
    fprintf(stderr, json_array_size(apps) == 0 ? " none\n" : "\n");
}

const char *
answer_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : "";
}

json_int_t
answer_number(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

int
answer_print(const char *command, const json_t *answer)
{
    int rc = answer == NULL ? -1 : json_dumpf(answer, stdout, JSON_INDENT(2));

    putchar('\n');
    if (rc == 0 && fflush(stdout) == 0)
        return CLI_YES;
    fprintf(stderr, "%s: it cannot be printed\n", command);
    return CLI_USAGE;
}

bool
answer_has_prober(const json_t *status)
{
    const json_t *prober = json_object_get(status, "prober");
    const json_t *ready = json_object_get(prober, "ready");

    return ready == NULL ? answer_number(prober, "pid") != 0 : json_is_true(ready);
}
