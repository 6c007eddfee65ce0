#include "base/shared_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    TEXT_SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL,
    SMALL_BYTES = 4096,     /* used at once, in full: mapping its page now spares a fault */
};

static int
allocate(int fd, size_t bytes)
{
    int error;

    do {
        error = posix_fallocate(fd, 0, (off_t)bytes);
    } while (error == EINTR);
    return -error;
}

int
shared_file_create(int dir_fd, const char *name, size_t bytes)
{
    int fd;
    int rc;

    assert(bytes > 0);
    assert(strchr(name, '/') == NULL);

    /* A new inode: whoever still maps an old file keeps it as it is. */
    fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
    if (fd < 0 && errno == EEXIST && unlinkat(dir_fd, name, 0) == 0)
        fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
    if (fd < 0)
        return -errno;
    rc = allocate(fd, bytes);
    if (rc == 0 && fchmod(fd, 0640) < 0)        /* whatever the umask is */
        rc = -errno;
    if (rc < 0) {
        unlinkat(dir_fd, name, 0);
        close(fd);
        return rc;
    }
    return fd;
}

int
shared_file_reopen_readonly(int fd)
{
    char path[32];
    int readonly;

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    readonly = open(path, O_RDONLY | O_CLOEXEC);
    return readonly < 0 ? -errno : readonly;
}

void *
shared_file_map(int fd, bool writable, size_t *bytes)
{
    struct stat stat;
    void *memory;
    int flags;

    if (fstat(fd, &stat) < 0)
        return NULL;
    if (!S_ISREG(stat.st_mode) || stat.st_size <= 0) {
        errno = EINVAL;
        return NULL;
    }
    flags = MAP_SHARED | (stat.st_size <= SMALL_BYTES ? MAP_POPULATE : 0);
    memory = mmap(NULL, (size_t)stat.st_size, PROT_READ | (writable ? PROT_WRITE : 0), flags,
                  fd, 0);
    if (memory == MAP_FAILED)
        return NULL;
    *bytes = (size_t)stat.st_size;
    return memory;
}

void
shared_file_unmap(void *memory, size_t bytes)
{
    if (memory != NULL)
        munmap(memory, bytes);
}

static int
write_all(int fd, const char *data, size_t bytes)
{
    while (bytes > 0) {
        ssize_t n = write(fd, data, bytes);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        data += n;
        bytes -= (size_t)n;
    }
    return 0;
}

int
sealed_text_create(const char *name, const void *data, size_t bytes)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int rc;

    if (fd < 0)
        return -errno;
    rc = write_all(fd, data, bytes);
    if (rc == 0 && fcntl(fd, F_ADD_SEALS, TEXT_SEALS) < 0)
        rc = -errno;
    if (rc < 0) {
        close(fd);
        return rc;
    }
    return fd;
}

/* Reads at offsets, for all descriptors of a memfd share one position. */
static int
read_all(int fd, char *data, size_t bytes)
{
    size_t have = 0;

    while (have < bytes) {
        ssize_t n = pread(fd, data + have, bytes - have, (off_t)have);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return -EIO;        /* shorter than its sealed size */
        have += (size_t)n;
    }
    return 0;
}

int
sealed_text_read(int fd, size_t bytes_max, char **data, size_t *bytes)
{
    struct stat stat;
    int seals = fcntl(fd, F_GET_SEALS);
    char *text;
    int rc;

    if (seals < 0)
        return errno == EBADF ? -EBADF : -EPERM;        /* no memfd has no seals */
    if ((seals & TEXT_SEALS) != TEXT_SEALS)
        return -EPERM;
    if (fstat(fd, &stat) < 0)
        return -errno;
    if ((uintmax_t)stat.st_size > bytes_max)
        return -EFBIG;
    text = malloc((size_t)stat.st_size + 1);
    if (text == NULL)
        return -ENOMEM;
    rc = read_all(fd, text, (size_t)stat.st_size);
    if (rc < 0) {
        free(text);
        return rc;
    }
    text[stat.st_size] = '\0';
    *data = text;
    *bytes = (size_t)stat.st_size;
    return 0;
}
