#include "base/shared_text.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct shared {
    atomic_uint refs;
    char text[];
};

static struct shared *
shared_of(const char *text)
{
    return (struct shared *)((uintptr_t)text - offsetof(struct shared, text));
}

const char *
shared_text_create(const char *text)
{
    size_t bytes = text != NULL ? strlen(text) + 1 : 0;
    struct shared *shared = text != NULL ? malloc(sizeof *shared + bytes) : NULL;

    if (shared == NULL)
        return NULL;
    atomic_init(&shared->refs, 1);
    return memcpy(shared->text, text, bytes);
}

const char *
shared_text_ref(const char *text)
{
    if (text != NULL)
        atomic_fetch_add_explicit(&shared_of(text)->refs, 1, memory_order_relaxed);
    return text;
}

/* As for any count of references: what others did with it happens before it is freed. */
void
shared_text_unref(const char *text)
{
    if (text != NULL &&
        atomic_fetch_sub_explicit(&shared_of(text)->refs, 1, memory_order_acq_rel) == 1)
        free(shared_of(text));
}
