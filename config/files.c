#include "config/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

static int
list_add(struct file_list *list, char *path)
{
    char **paths = NULL;

    if (path != NULL)
        paths = reallocarray(list->paths, list->count + 1, sizeof *paths);
    if (paths == NULL) {
        free(path);
        return -ENOMEM;
    }
    list->paths = paths;
    paths[list->count++] = path;
    return 0;
}

static int
path_order(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int
list_directory(DIR *directory, const char *path, struct file_list *list)
{
    size_t length = strlen(path);
    struct dirent *entry;

    while (length > 1 && path[length - 1] == '/')
        length--;
    for (;;) {
        char *file = NULL;
        int rc;

        errno = 0;
        entry = readdir(directory);
        if (entry == NULL)
            return -errno;
        if (entry->d_name[0] == '.' ||
            (!ends_with(entry->d_name, ".conf") && !ends_with(entry->d_name, ".json")))
            continue;
        if (asprintf(&file, "%.*s%s%s", (int)length, path, path[length - 1] == '/' ? "" : "/",
                     entry->d_name) < 0)
            file = NULL;
        rc = list_add(list, file);
        if (rc < 0)
            return rc;
    }
}

/* One file: that it can be opened is checked here, for then there is no result at all. */
static int
list_file(const char *path, struct file_list *list)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return -errno;
    close(fd);
    return list_add(list, strdup(path));
}

int
files_list(const char *path, struct file_list *list)
{
    DIR *directory = opendir(path);
    int rc;

    *list = (struct file_list){ 0 };
    if (directory == NULL)
        return errno == ENOTDIR ? list_file(path, list) : -errno;
    rc = list_directory(directory, path, list);
    closedir(directory);
    if (rc < 0)
        files_free(list);
    else if (list->count > 0)
        qsort(list->paths, list->count, sizeof *list->paths, path_order);
    return rc;
}

void
files_free(struct file_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->paths[i]);
    free(list->paths);
    *list = (struct file_list){ 0 };
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
file_read(const char *path, size_t *length, char *why)
{
    /* Not blocking: a FIFO would make us wait for a writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    const char *fault;
    struct stat stat;
    char *text = NULL;
    int rc = -errno;

    if (fd >= 0)
        rc = fstat(fd, &stat) < 0 ? -errno : 0;
    if (rc < 0) {
        bool dangling = rc == -ENOENT && lstat(path, &stat) == 0;

        snprintf(why, DETAIL_BYTES, "cannot be read: %s%s", strerror(-rc),
                 dangling ? " (what this link points to)" : "");
        goto out;
    }
    fault = unfit(&stat);
    if (fault != NULL) {
        snprintf(why, DETAIL_BYTES, "%s", fault);
        goto out;
    }
    text = malloc((size_t)stat.st_size + 1);
    rc = text == NULL ? -ENOMEM : read_whole(fd, text, (size_t)stat.st_size, length);
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
