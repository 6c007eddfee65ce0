/*
 * fproxy report APP TARGET - a target tells how it is, where a probe of kind "push" listens.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/http_get.h"
#include "proxy/commands/ask.h"
#include "proxy/commands/command.h"

enum { KEY_FAIL = 0x2100, KEY_DEGRADED, KEY_DETAIL };

struct arguments {
    struct supervisor_options *options;
    const char *app, *target, *detail;
    bool failed, degraded;
};

static error_t
parse_option(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case KEY_FAIL:
        arguments->failed = true;
        return 0;
    case KEY_DEGRADED:
        arguments->degraded = true;
        return 0;
    case KEY_DETAIL:
        arguments->detail = arg;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->target != NULL)
            argp_error(state, "`%s' is too much: one APP and one TARGET", arg);
        *(arguments->app == NULL ? &arguments->app : &arguments->target) = arg;
        return 0;
    case ARGP_KEY_END:
        if (arguments->target == NULL)
            argp_error(state, "which APP, and which TARGET? `fproxy-probe inspect' lists them");
        return 0;
    default:
        return command_place_option(key, arg, state, arguments->options);
    }
}

/* All but what RFC 3986 calls unreserved is encoded; on the heap. */
static char *
encode(const char *text)
{
    char *encoded = malloc(strlen(text) * 3 + 1), *to = encoded;

    for (; encoded != NULL && *text != '\0'; text++) {
        if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~", *text))
            *to++ = *text;
        else
            to += sprintf(to, "%%%02X", (unsigned char)*text);
    }
    if (encoded != NULL)
        *to = '\0';
    return encoded;
}

static char *
make_path(const struct arguments *arguments)
{
    char *app = encode(arguments->app), *target = encode(arguments->target), *path = NULL;

    if (app != NULL && target != NULL &&
        asprintf(&path, "/v1/apps/%s/targets/%s/report", app, target) < 0)
        path = NULL;
    free(app);
    free(target);
    return path;
}

static char *
make_body(const struct arguments *arguments)
{
    json_t *body = json_pack("{s:b, s:b, s:s}", "ok", !arguments->failed, "degraded",
                             arguments->degraded, "detail",
                             arguments->detail != NULL ? arguments->detail : "");
    char *text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);

    json_decref(body);
    return text;
}

static int
tell(const struct asked *asked, const struct arguments *arguments, int status, const char *body)
{
    json_t *answer;

    if (status == 204)
        return CLI_YES;
    answer = json_loads(body, 0, NULL);
    fprintf(stderr, "%s: %s %s: %s\n", asked->command, arguments->app, arguments->target,
            answer_text(answer, "error")[0] != '\0' ? answer_text(answer, "error")
                                                    : "the supervisor does not understand it");
    json_decref(answer);
    return status == 409 || status == 503 ? CLI_NO : CLI_USAGE;
}

static int
report(const struct asked *asked, const struct arguments *arguments)
{
    char *path = make_path(arguments), *json = make_body(arguments), *body = NULL;
    int status = CLI_USAGE, http_status, rc;
    size_t bytes;

    if (path == NULL || json == NULL) {
        fprintf(stderr, "%s: the detail is no UTF-8, or there is no memory\n", asked->command);
        goto out;
    }
    rc = http_post_unix(asked->socket_path, path, json, ASK_TIMEOUT_MS, &http_status, &body,
                        &bytes);
    if (rc < 0)
        ask_tell(asked, rc);
    else
        status = tell(asked, arguments, http_status, body);
out:
    free(path);
    free(json);
    free(body);
    return status;
}

int
command_report(int argc, char **argv, void *context)
{
    static const struct argp_option rows[] = {
        { "fail", KEY_FAIL, NULL, 0, "It does not work", 0 },
        { "degraded", KEY_DEGRADED, NULL, 0, "It works, but others are to be preferred", 0 },
        { "detail", KEY_DETAIL, "TEXT", 0, "A few words for the operator", 0 },
        OPTION_ROWS_PLACES,
        { 0 },
    };
    static const struct argp argp = {
        .options = rows,
        .parser = parse_option,
        .args_doc = "APP TARGET",
        .doc = "Report for a target that it works, or not, where kind = \"push\".\vTARGET is as "
               "configured, or the address of an endpoint. Silence for the probe's `ttl' counts "
               "as failure. Exit status: 0 heard; 1 nobody looks at it: the app has no such probe, "
               "or no prober runs; 2 there is no such app or target, or no supervisor answers.",
    };
    struct arguments arguments = { .options = context };
    struct asked asked;

    cli_parse(&argp, argc, argv, &arguments);
    ask_open(&asked, argv[0], context);
    return report(&asked, &arguments);
}
