/*
 * canonical - reads a canonical text with the readers that files are read with, keeping
 * the first problem as the reason.
 */
#ifndef FPROXY_CONFIG_CANONICAL_H
#define FPROXY_CONFIG_CANONICAL_H

#include "config/document.h"

struct canonical {
    struct document *document;
    struct config_setting_t *root;
    struct problems problems;
    char *why;                  /* the caller's, DETAIL_BYTES */
};

/* 0; -EINVAL with a reason in `why`; -ENOMEM. Only after 0 canonical_close() must follow. */
int canonical_open(struct canonical *canonical, const char *text, char *why);

/* Frees the tree. `rc` of the reader that was used; -EINVAL when it told a problem. */
int canonical_close(struct canonical *canonical, int rc);

#endif
