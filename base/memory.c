#include "base/memory.h"

#include <malloc.h>

enum { LARGE_BYTES = 128 * 1024 };

void
memory_settle(void)
{
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
    mallopt(M_TRIM_THRESHOLD, LARGE_BYTES);
}

void
memory_trim(void)
{
    malloc_trim(0);
}
