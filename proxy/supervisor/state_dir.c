#include "proxy/supervisor/state_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/dirs.h"
#include "base/log.h"
#include "proxy/supervisor/lock.h"
#include "proxy/supervisor/supervisor.h"

/* The number stays, for the loop's thread has it in use. */
static int
lock_instead(struct supervisor *supervisor, int fd)
{
    struct process_id holder;
    int rc = lock_take(fd, &holder);

    if (rc < 0)
        return rc;
    if (dup3(fd, supervisor->state_fd, O_CLOEXEC) < 0)
        return -errno;
    rc = lock_sign(supervisor->state_fd);
    if (rc < 0)
        log_warn(NULL, "%s cannot be written: %s", supervisor->state_dir, strerror(-rc));
    return 0;
}

int
state_dir_hold(void *context)
{
    struct supervisor *supervisor = context;
    int fd, rc;

    if (lock_is_at(supervisor->state_fd, supervisor->state_dir))
        return 0;
    fd = dirs_open(supervisor->state_dir, STATE_DIR_MODE);
    if (fd < 0)
        return fd;
    rc = lock_instead(supervisor, fd);
    close(fd);
    if (rc == 0)
        log_warn(NULL, "the state directory %s was deleted or replaced: the one that is there now "
                       "is used", supervisor->state_dir);
    return rc;
}
