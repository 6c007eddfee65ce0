/* slab - see slab.h. */
#include "proxy/worker/slab.h"

#include <stdlib.h>

struct slab {
    _Alignas(16) struct slab *next;
    _Alignas(16) char objects[];
};

void *
slab_grow(struct slab **slabs, size_t count, size_t bytes)
{
    struct slab *slab = calloc(1, sizeof *slab + count * bytes);

    if (slab == NULL)
        return NULL;
    slab->next = *slabs;
    *slabs = slab;
    return slab->objects;
}

void
slab_free(struct slab **slabs)
{
    while (*slabs != NULL) {
        struct slab *next = (*slabs)->next;

        free(*slabs);
        *slabs = next;
    }
}
