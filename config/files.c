#include "config/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/names.h"
#include "config/config.h"

static bool
ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), end_length = strlen(end);

    return length > end_length && strcmp(text + length - end_length, end) == 0;
}

bool
file_is_json(const char *path)
{
    return ends_with(path, ".json");
}

bool
file_is_ours(const char *name)
{
    return name[0] != '.' && (ends_with(name, ".conf") || ends_with(name, ".json"));
}

/* Reads up to the limit and one byte more: the file may grow meanwhile. 0 or -errno. */
static int
read_whole(int fd, char *text, size_t room, size_t *length)
{
    *length = 0;
    while (*length < room) {
        ssize_t got = read(fd, text + *length, room - *length);

        if (got == 0)
            return 0;
        if (got > 0)
            *length += (size_t)got;
        else if (errno != EINTR)
            return -errno;
    }
    return 0;
}

/* NULL, or why a file of this kind and size is not read. */
static const char *
unfit(const struct stat *stat)
{
    if (S_ISDIR(stat->st_mode))
        return "is a directory, not a file";
    if (!S_ISREG(stat->st_mode))
        return "is no regular file";
    if (stat->st_size > CONFIG_FILE_BYTES_MAX)
        return "is larger than 8 MiB: split it into several files";
    if (stat->st_size == 0)
        return "is empty (0 bytes): delete it, or write a comment into it if nothing is meant";
    return NULL;
}

char *
file_read(const char *path, size_t *length, struct stat *stat, char *why)
{
    /* Not blocking: a FIFO would make us wait for a writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    const char *fault;
    char *text = NULL;
    int rc = -errno;

    if (fd >= 0)
        rc = fstat(fd, stat) < 0 ? -errno : 0;
    if (rc < 0) {
        bool dangling = rc == -ENOENT && lstat(path, stat) == 0;

        snprintf(why, DETAIL_BYTES, "cannot be read: %s%s", strerror(-rc),
                 dangling ? " (what this link points to)" : "");
        goto out;
    }
    fault = unfit(stat);
    if (fault != NULL) {
        snprintf(why, DETAIL_BYTES, "%s", fault);
        goto out;
    }
    text = malloc((size_t)stat->st_size + 1);
    rc = text == NULL ? -ENOMEM : read_whole(fd, text, (size_t)stat->st_size, length);
    if (rc < 0) {
        snprintf(why, DETAIL_BYTES, "cannot be read: %s", strerror(-rc));
        free(text);
        text = NULL;
        goto out;
    }
    text[*length] = '\0';
out:
    if (fd >= 0)
        close(fd);
    return text;
}
