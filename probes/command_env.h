/* command_env - the environment of a probe's command: a small one, and nothing of ours. Pure. */
#ifndef FPROXY_PROBES_COMMAND_ENV_H
#define FPROXY_PROBES_COMMAND_ENV_H

#include "base/names.h"

struct probe;

enum { COMMAND_ENV_MAX = 9, COMMAND_ENV_BYTES = 32 + TARGET_NAME_BYTES };

/* `list` points into `texts`: it is not to be copied. */
struct command_env {
    char texts[COMMAND_ENV_MAX][COMMAND_ENV_BYTES];
    char *list[COMMAND_ENV_MAX + 1];
};

/* PATH, LANG, HOME; FPROXY_APP; and, for one run, FPROXY_TARGET, FPROXY_ADDRESS, FPROXY_HOST,
 * FPROXY_PORT and FPROXY_TIMEOUT. fproxy-launch sets HOME, USER and LOGNAME for another user. */
void command_env_of_run(struct command_env *env, const struct probe *probe);
void command_env_of_app(struct command_env *env, const char *app);

#endif
