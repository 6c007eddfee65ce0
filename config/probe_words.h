/*
 * probe_words - the words of a probe's configuration, for who reads and who prints it.
 */
#ifndef FPROXY_CONFIG_PROBE_WORDS_H
#define FPROXY_CONFIG_PROBE_WORDS_H

#include "config/app_probe.h"

/* Each ended by NULL; by enum app_probe_role, app_probe_close, app_probe_proxy. */
extern const char *const probe_role_words[], *const probe_close_words[], *const probe_proxy_words[];

/* The keys, by enum app_probe_text and app_probe_list. */
extern const char *const probe_text_keys[PROBE_TEXTS], *const probe_list_keys[PROBE_LISTS];

#endif
