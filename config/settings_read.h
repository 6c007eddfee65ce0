/*
 * settings_read - the settings of the group `daemon`, checked, into a struct settings.
 */
#ifndef FPROXY_CONFIG_SETTINGS_READ_H
#define FPROXY_CONFIG_SETTINGS_READ_H

#include "config/problem.h"
#include "config/settings.h"

struct config_setting_t;

/* `prefix` stands before keys in messages: "daemon." Returns 0; what is wrong is told and
 * left as it was. */
int settings_read(const struct config_setting_t *group, const char *prefix,
                  struct problems *problems, struct settings *settings);

#endif
