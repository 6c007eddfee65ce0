/*
 * atomic_words - copies of structures into and out of memory that others read meanwhile.
 *
 * Shared memory is copied word by word, each stored with release and loaded with acquire.
 * Who reads a word of a later version therefore also sees everything the writer did before
 * that version, above all the number (generation, sequence) that tells it to copy again.
 * No bare fences: ThreadSanitizer does not understand them.
 */
#ifndef FPROXY_STRATEGY_ATOMIC_WORDS_H
#define FPROXY_STRATEGY_ATOMIC_WORDS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "locks do not work between processes");
_Static_assert(sizeof(_Atomic uint64_t) == 8, "words lie in shared files");

enum { WORD_BYTES = 8, CACHE_LINE_BYTES = 64 };

static inline size_t
cache_lines_bytes(size_t bytes)
{
    return (bytes + CACHE_LINE_BYTES - 1) / CACHE_LINE_BYTES * CACHE_LINE_BYTES;
}

/* The one writer. `from` has `words` * WORD_BYTES bytes, of any alignment. */
static inline void
atomic_words_store(_Atomic uint64_t *to, const void *from, size_t words)
{
    for (size_t i = 0; i < words; i++) {
        uint64_t word;

        memcpy(&word, (const char *)from + i * WORD_BYTES, WORD_BYTES);
        atomic_store_explicit(&to[i], word, memory_order_release);
    }
}

/* Any reader. The words may be of different versions: ask the number again. */
static inline void
atomic_words_load(const _Atomic uint64_t *from, void *to, size_t words)
{
    for (size_t i = 0; i < words; i++) {
        uint64_t word = atomic_load_explicit(&from[i], memory_order_acquire);

        memcpy((char *)to + i * WORD_BYTES, &word, WORD_BYTES);
    }
}

#endif
