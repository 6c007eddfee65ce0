/*
 * errors - lists of errors, and how problems get into them.
 */
#ifndef FPROXY_CONFIG_ERRORS_H
#define FPROXY_CONFIG_ERRORS_H

#include "config/config.h"
#include "config/problem.h"

struct error_list {
    struct config_error *errors;    /* owned */
    size_t count, room;
    size_t dropped;                 /* beyond CONFIG_ERRORS_MAX */
};

/* One file's way into a list. `app` may change between two problems. */
struct error_sink {
    struct error_list *list;
    const char *file;           /* borrowed */
    const char *app;            /* borrowed; "" */
    bool out_of_memory;         /* an error could not be kept */
};

/* A problem_fn; the context is a struct error_sink. */
void errors_add(void *context, unsigned line, const char *key, const char *message);

/* 0 or -ENOMEM. */
int error_list_copy(struct error_list *list, const struct config_error *error);

void error_list_fini(struct error_list *list);

#endif
