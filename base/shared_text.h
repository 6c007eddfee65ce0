/*
 * shared_text - a constant text with counted references: that of an app is held by the set of files,
 * by changes on their way and by generations, and lies in memory once.
 *
 * A reference is a pointer to the text itself, `const', so that nobody frees it by mistake. The
 * count is atomic: a reference may be given to another thread.
 */
#ifndef FPROXY_BASE_SHARED_TEXT_H
#define FPROXY_BASE_SHARED_TEXT_H

/* A copy, with one reference. NULL without memory, and of NULL. */
const char *shared_text_create(const char *text);
/* The same text; NULL stays NULL. */
const char *shared_text_ref(const char *shared);
/* NULL is fine. */
void shared_text_unref(const char *shared);

#endif
