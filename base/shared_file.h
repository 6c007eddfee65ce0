/*
 * shared_file - memory that several processes map, and texts handed over as memory.
 *
 * Every shared file has exactly one writing process; the supervisor creates them all
 * and hands them out as descriptors (a child creates no file). A file is allocated in
 * full when it is made, so that a full tmpfs is an error here and no SIGBUS later,
 * and it is never resized: what outgrows it gets a new file with a higher number.
 */
#ifndef FPROXY_BASE_SHARED_FILE_H
#define FPROXY_BASE_SHARED_FILE_H

#include <stdbool.h>
#include <stddef.h>

/* Supervisor. Creates `name` in directory `dir_fd` (replacing what is there), mode 0640,
 * of `bytes` zero bytes. Returns a read-write descriptor or -errno. */
int shared_file_create(int dir_fd, const char *name, size_t bytes);

/* A read-only descriptor of the file behind `fd`, for a reader; or -errno. */
int shared_file_reopen_readonly(int fd);

/* Maps the whole file; `*bytes` gets its size. NULL with errno set when it fails. */
void *shared_file_map(int fd, bool writable, size_t *bytes);
void shared_file_unmap(void *memory, size_t bytes);

/* A sealed memfd with these bytes: nobody can change it later. Descriptor or -errno. */
int sealed_text_create(const char *name, const void *data, size_t bytes);

/* Reads such a descriptor into fresh memory with a NUL behind it (caller frees); it must be
 * sealed and at most `bytes_max` long. 0 or -errno (-EPERM: not sealed, -EFBIG: too long). */
int sealed_text_read(int fd, size_t bytes_max, char **data, size_t *bytes);

#endif
