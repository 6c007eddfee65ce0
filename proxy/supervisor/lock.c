#include "proxy/supervisor/lock.h"

#include <errno.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char lock_name[] = "supervisor.pid";

int
lock_take(int dir_fd, struct process_id *holder)
{
    *holder = (struct process_id){ 0 };
    if (flock(dir_fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno != EWOULDBLOCK)
        return -errno;
    if (pid_file_read(dir_fd, lock_name, holder) < 0)
        holder->pid = 0;
    return -EWOULDBLOCK;
}

bool
lock_is_at(int dir_fd, const char *path)
{
    struct stat a, b;

    return fstat(dir_fd, &a) == 0 && stat(path, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

void
lock_last_holder(int dir_fd, struct process_id *holder)
{
    if (pid_file_read(dir_fd, lock_name, holder) < 0)
        *holder = (struct process_id){ 0 };
}

int
lock_sign(int dir_fd)
{
    struct process_id self;
    int rc = process_id_of(getpid(), &self);

    return rc < 0 ? rc : pid_file_write(dir_fd, lock_name, &self);
}

void
lock_unsign(int dir_fd)
{
    unlinkat(dir_fd, lock_name, 0);
}
