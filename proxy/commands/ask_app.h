/*
 * ask_app - what the commands have in common that ask the running supervisor to do something with
 * one app.
 *
 *   POST to the app's path -> 404: "there is no app `x'; there are: a b"
 *                          -> else: the command shows the answer
 */
#ifndef FPROXY_COMMANDS_ASK_APP_H
#define FPROXY_COMMANDS_ASK_APP_H

#include "proxy/commands/ask.h"

/* Shows the answer to the command's user. Returns the exit status. */
typedef int ask_show_fn(const struct asked *asked, const void *arguments, int http_status,
                        const json_t *answer);

/* Asks for `path`, which concerns `app`, within `timeout_ms`, and has the answer shown. Returns
 * the exit status; CLI_USAGE when there is no such app, or nobody answers, which is told. */
int ask_app(const struct asked *asked, const char *app, const char *path, int timeout_ms,
            ask_show_fn *show, const void *arguments);

#endif
