#include "proxy/supervisor/pid_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/names.h"

/* Reads a small file of the directory into `text`, which gets a NUL. 0 or -errno. */
static int
read_small(int dir_fd, const char *name, char *text, size_t text_bytes)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    ssize_t bytes;
    int rc = 0;

    if (fd < 0)
        return -errno;
    bytes = read(fd, text, text_bytes - 1);
    if (bytes < 0)
        rc = -errno;
    else
        text[bytes] = '\0';
    close(fd);
    return rc;
}

int
process_id_of(pid_t pid, struct process_id *id)
{
    char path[64], text[1024];
    const char *field;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (pid <= 0 || read_small(AT_FDCWD, path, text, sizeof text) < 0)
        return -ESRCH;
    /* "PID (NAME) STATE ...": the name may hold anything, so count from its last bracket;
     * the start time is field 22. */
    field = strrchr(text, ')');
    for (int i = 2; field != NULL && i < 22; i++)
        field = strchr(field + 1, ' ');
    if (field == NULL)
        return -ESRCH;
    id->pid = pid;
    id->start_ticks = strtoull(field + 1, NULL, 10);
    return 0;
}

int
pid_file_write(int dir_fd, const char *name, const struct process_id *id)
{
    char text[64], temporary[PATH_BYTES];
    int bytes = snprintf(text, sizeof text, "%d %" PRIu64 "\n", (int)id->pid, id->start_ticks);
    ssize_t written;
    int fd, rc = 0;

    snprintf(temporary, sizeof temporary, ".%s.new", name);
    fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return -errno;
    written = write(fd, text, (size_t)bytes);
    if (written != bytes)
        rc = written < 0 ? -errno : -ENOSPC;
    close(fd);
    if (rc == 0 && renameat(dir_fd, temporary, dir_fd, name) < 0)
        rc = -errno;
    if (rc < 0)
        unlinkat(dir_fd, temporary, 0);
    return rc;
}

int
pid_file_read(int dir_fd, const char *name, struct process_id *id)
{
    char text[64];
    int pid, rc = read_small(dir_fd, name, text, sizeof text);

    if (rc < 0)
        return rc;
    if (sscanf(text, "%d %" SCNu64, &pid, &id->start_ticks) != 2 || pid <= 0)
        return -EPROTO;
    id->pid = pid;
    return 0;
}

int
process_id_open(const struct process_id *id)
{
    struct process_id now;
    int pidfd = pidfd_open(id->pid, 0);

    if (pidfd < 0)
        return -errno;
    /* Looked at after the opening: from here on the number cannot be another's. */
    if (process_id_of(id->pid, &now) == 0 && now.start_ticks == id->start_ticks)
        return pidfd;
    close(pidfd);
    return -ESRCH;
}

bool
process_runs(pid_t pid, const char *name)
{
    char link[64], path[PATH_BYTES];
    ssize_t bytes;
    char *base, *deleted;

    snprintf(link, sizeof link, "/proc/%d/exe", (int)pid);
    bytes = readlink(link, path, sizeof path - 1);
    if (bytes < 0)
        return false;
    path[bytes] = '\0';
    deleted = strstr(path, " (deleted)");
    if (deleted != NULL)
        *deleted = '\0';
    base = strrchr(path, '/');
    return base != NULL && strcmp(base + 1, name) == 0;
}
