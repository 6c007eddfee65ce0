/*
 * page - how boards and traffic pages begin: what the file is, and how large.
 *
 * For board.c and traffic.c only. The kind of file, its layout and its size are checked when
 * it is mapped; what follows the head is checked by its module.
 */
#ifndef FPROXY_STRATEGY_PAGE_H
#define FPROXY_STRATEGY_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/names.h"

enum { PAGE_SLOTS_MAX = 65535 };        /* slots are numbered in 16 bits */

struct page_head {
    uint32_t magic;
    uint32_t layout;                    /* version of everything in the file */
    uint64_t bytes;                     /* of the file */
    uint32_t number;
    uint32_t slots;                     /* 1 to PAGE_SLOTS_MAX */
    char app[APP_NAME_BYTES];
};

/* True for [a-z0-9][a-z0-9-]{0,62}, ended within APP_NAME_BYTES. */
bool page_name_valid(const char *name);

/* Copies a valid name and fills the rest of its APP_NAME_BYTES with zeros. */
void page_name_copy(char *to, const char *name);

/* Reads ".<number>" as printed (no sign, no leading zero); false when it is none. */
bool page_number_parse(const char *text, uint32_t *number);

/* Creator. Writes how a new file of exactly `head->bytes` begins: `bytes` at `begin`, which is
 * the head and what follows it. Not through a mapping, which costs more than all the rest
 * of a file's making. 0 or -errno (-EINVAL: wrong size or slots). */
int page_format(int fd, const struct page_head *begin, size_t bytes);

/* Maps a file whose head fits; at least `bytes_min` long. 0, the name in it in `app`
 * (APP_NAME_BYTES), `*memory` and `*bytes`; or -EPROTO when it is none of `magic` and `layout`,
 * or -errno. */
int page_map(int fd, bool writable, uint32_t magic, uint32_t layout, size_t bytes_min,
             char *app, void **memory, size_t *bytes);

#endif
