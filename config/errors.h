/*
 * errors - the list of errors in a struct config, and how problems get into it.
 */
#ifndef FPROXY_CONFIG_ERRORS_H
#define FPROXY_CONFIG_ERRORS_H

#include "config/config.h"
#include "config/problem.h"

/* One file's way into the list. `app` may change between two problems. */
struct file_errors {
    struct config *config;
    const char *file;           /* borrowed */
    const char *app;            /* borrowed; "" */
    bool out_of_memory;         /* an error could not be kept */
};

/* A problem_fn; the context is a struct file_errors. */
void errors_add(void *context, unsigned line, const char *key, const char *message);

/* By file and line; what was told first stays first. */
void errors_sort(struct config *config);

/* Notes the file as one whose apps are not all known. 0 or -ENOMEM. */
int errors_mark_opaque(struct config *config, const char *file);

#endif
