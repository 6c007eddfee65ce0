/*
 * steps_read - the keys of a probe that say what is sent and expected (steps.h).
 */
#ifndef FPROXY_CONFIG_STEPS_READ_H
#define FPROXY_CONFIG_STEPS_READ_H

#include "config/keys.h"

/* The reader of all of them: whichever comes first in the group reads them all, in place of what
 * was there before. `into` is a struct app_steps. */
key_read_fn steps_read;

/* Does this group have one of the keys, be it wrong? */
bool steps_are_told(const struct config_setting_t *group);

/* The names of presets, ended by NULL. */
extern const char *const steps_presets[];

#endif
