#include "probes/command_env.h"

#include <stdio.h>

#include "base/util.h"
#include "config/app_probe.h"
#include "config/command_file.h"
#include "probes/probe.h"

static void
add(struct command_env *env, int *count, const char *name, const char *value)
{
    char *text = env->texts[*count];

    snprintf(text, COMMAND_ENV_BYTES, "%s=%s", name, value);
    env->list[(*count)++] = text;
    env->list[*count] = NULL;
}

static int
begin(struct command_env *env, const char *app)
{
    int count = 0;

    add(env, &count, "PATH", COMMAND_PATH);
    add(env, &count, "LANG", "C");
    add(env, &count, "HOME", "/");
    add(env, &count, "FPROXY_APP", app);
    return count;
}

void
command_env_of_app(struct command_env *env, const char *app)
{
    begin(env, app);
}

void
command_env_of_run(struct command_env *env, const struct probe *probe)
{
    char text[ADDRESS_TEXT_BYTES];
    int count = begin(env, probe->app);

    add(env, &count, "FPROXY_TARGET", probe->target);
    add(env, &count, "FPROXY_ADDRESS", address_format(&probe->address, text));
    add(env, &count, "FPROXY_HOST", address_format_ip(&probe->address, text));
    snprintf(text, sizeof text, "%u", probe->address.port);
    add(env, &count, "FPROXY_PORT", text);
    snprintf(text, sizeof text, "%g", probe->config->timeout_ms / 1000.0);
    add(env, &count, "FPROXY_TIMEOUT", text);
}
