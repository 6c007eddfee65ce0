/*
 * load - the texts of a configuration together, once, wherever they come from.
 */
#ifndef FPROXY_CONFIG_LOAD_H
#define FPROXY_CONFIG_LOAD_H

#include "config/config.h"

struct loader;

/* NULL without memory. The loader fills a struct config of its own. */
struct loader *loader_create(void);

/* The text of the next file, in the order that decides who came first. `length` bytes and a
 * NUL byte; `path` is copied. 0 or -ENOMEM; what is wrong becomes an error of the result. */
int loader_add_text(struct loader *loader, const char *path, const char *text, size_t length);

/* From here on these groups hold. The texts are borrowed until the loader ends. */
void loader_replace(struct loader *loader, const struct config_groups *groups);

/* Checks all files against each other and ends the loader. 0 and `*config`, or -ENOMEM. */
int loader_finish(struct loader *loader, struct config **config);

/* Ends a loader without a result. */
void loader_destroy(struct loader *loader);

#endif
