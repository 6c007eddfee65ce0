/*
 * ask - what the commands have in common that ask the running supervisor.
 *
 * Whatever goes wrong on the way is told on standard error, as "fproxy NAME: ..." with what to
 * do next; the command then ends with CLI_USAGE.
 */
#ifndef FPROXY_COMMANDS_ASK_H
#define FPROXY_COMMANDS_ASK_H

#include <jansson.h>
#include <stdbool.h>

#include "base/names.h"

struct supervisor_options;

enum { ASK_TIMEOUT_MS = 5000, ASK_PATIENCE_MS = 150000 };   /* the latter: for a rollout */

struct asked {
    const char *command;                /* "fproxy status"; borrowed */
    char state_dir[PATH_BYTES], runtime_dir[PATH_BYTES];
    char socket_path[PATH_BYTES + 16];
};

/* Where to ask. Ends the program when no directory is known. */
void ask_open(struct asked *asked, const char *command,
              const struct supervisor_options *options);

/* One request. 0: `*status` and `*answer` (the caller's), a JSON object; -errno: nothing came,
 * or (-EPROTO) no JSON. Tells nothing. */
int ask_quietly(const struct asked *asked, const char *method, const char *path,
                int timeout_ms, int *status, json_t **answer);

/* The same, but what went wrong is told, and then NULL; also when `*status` is none of 200, 202,
 * 404 and 409. */
json_t *ask(const struct asked *asked, const char *method, const char *path, int timeout_ms,
            int *status);

/* Says why nobody could be asked. */
void ask_tell(const struct asked *asked, int rc);

/* GET /v1/status: an object with an array "apps"; NULL when it was told. */
json_t *ask_status(const struct asked *asked);

/* "there is no app `x'; there are: a b", of the "apps" of a status. */
void ask_tell_no_app(const struct asked *asked, const json_t *apps, const char *name);

/* ---- reading answers: what is not there is "" or 0 ---- */

const char *answer_text(const json_t *object, const char *key);
json_int_t answer_number(const json_t *object, const char *key);

/* Indented, to standard output. CLI_YES, or CLI_USAGE when that failed, which is told. */
int answer_print(const char *command, const json_t *answer);

/* Does a prober take orders? One of a supervisor that does not tell does so when it runs. */
bool answer_has_prober(const json_t *status);

#endif
