/*
 * shared_text - a constant text with counted references: that of an app is held by the set of
 * files, by changes on their way and by generations, and lies in memory once.
 *
 * The count is atomic: a reference may be given to another thread.
 */
#ifndef FPROXY_BASE_SHARED_TEXT_H
#define FPROXY_BASE_SHARED_TEXT_H

#include <stdatomic.h>

struct shared_text {
    atomic_uint refs;           /* shared_text.c's */
    char bytes[];               /* ended by NUL; nobody writes to it */
};

/* A copy, with one reference. NULL without memory, and of NULL. */
struct shared_text *shared_text_create(const char *text);
/* The same text; NULL stays NULL. */
struct shared_text *shared_text_ref(struct shared_text *shared);
/* NULL is fine. */
void shared_text_unref(struct shared_text *shared);

#endif
