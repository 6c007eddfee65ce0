#include "base/shared_text.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct shared_text *
shared_text_create(const char *text)
{
    size_t bytes = text != NULL ? strlen(text) + 1 : 0;
    struct shared_text *shared = text != NULL ? malloc(sizeof *shared + bytes) : NULL;

    if (shared == NULL)
        return NULL;
    atomic_init(&shared->refs, 1);
    memcpy(shared->bytes, text, bytes);
    return shared;
}

struct shared_text *
shared_text_ref(struct shared_text *shared)
{
    if (shared != NULL)
        atomic_fetch_add_explicit(&shared->refs, 1, memory_order_relaxed);
    return shared;
}

/* As for any count of references: what others did with it happens before it is freed. */
void
shared_text_unref(struct shared_text *shared)
{
    if (shared != NULL &&
        atomic_fetch_sub_explicit(&shared->refs, 1, memory_order_acq_rel) == 1)
        free(shared);
}
