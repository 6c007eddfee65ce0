/*
 * slab - memory for many objects of one size, taken from the heap some at a time.
 *
 * Objects are never given back one by one: their owner keeps free ones in a list of its
 * own. So the path of a connection allocates nothing once a thread has seen its peak.
 */
#ifndef FPROXY_WORKER_SLAB_H
#define FPROXY_WORKER_SLAB_H

#include <stddef.h>

struct slab;    /* a list of chunks, linked */

/* `count` zeroed objects of `bytes` each (multiples of 16), adjacent; NULL: no memory. */
void *slab_grow(struct slab **slabs, size_t count, size_t bytes);
void slab_free(struct slab **slabs);

#endif
