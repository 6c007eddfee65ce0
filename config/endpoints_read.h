/*
 * endpoints_read - the two lists of an app: `ports` and `targets`.
 */
#ifndef FPROXY_CONFIG_ENDPOINTS_READ_H
#define FPROXY_CONFIG_ENDPOINTS_READ_H

#include "config/keys.h"

/* Both read into the struct app_draft itself (key->offset 0). */
key_read_fn ports_read, targets_read;

#endif
