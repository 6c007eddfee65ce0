/*
 * util - the few macros that C leaves out. Any code may use them.
 */
#ifndef FPROXY_BASE_UTIL_H
#define FPROXY_BASE_UTIL_H

#include <stddef.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* The struct of `type` whose member `member` lies at `pointer`. */
#define CONTAINER_OF(pointer, type, member)                                                    \
    ((type *)(void *)((char *)(pointer) - offsetof(type, member)))

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

/* The memory at `address` is going to be read: let it come meanwhile. */
#define PREFETCH(address) __builtin_prefetch(address)

#define PRINTF_LIKE(format_at, args_at) __attribute__((format(printf, format_at, args_at)))

#endif
