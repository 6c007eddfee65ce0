#include "proxy/supervisor/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"

static struct sockaddr_un manager;
static socklen_t manager_bytes;     /* 0: nobody asked */
static char manager_path[sizeof manager.sun_path];  /* as it was given */

void
notify_init(void)
{
    const char *path = getenv("NOTIFY_SOCKET");
    size_t bytes;

    manager_bytes = 0;
    if (path == NULL)
        return;
    bytes = strlen(path);
    if ((path[0] != '/' && path[0] != '@') || bytes >= sizeof manager.sun_path) {
        log_warn(NULL, "NOTIFY_SOCKET=%s is neither a path nor an abstract socket: not used",
                 path);
        return;
    }
    manager.sun_family = AF_UNIX;
    memcpy(manager.sun_path, path, bytes + 1);
    if (path[0] == '@')
        manager.sun_path[0] = '\0';     /* abstract: its length counts, no NUL ends it */
    manager_bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + bytes);
    memcpy(manager_path, path, bytes + 1);
    unsetenv("NOTIFY_SOCKET");
}

bool
notify_is_wanted(void)
{
    return manager_bytes > 0;
}

void
notify_send(const char *format, ...)
{
    char text[1024];
    va_list args;
    int fd;

    if (manager_bytes == 0)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&manager,
                         manager_bytes) < 0)
        log_warn(NULL, "the service manager could not be told \"%.40s\": %s", text,
                 strerror(errno));
    if (fd >= 0)
        close(fd);
}

void
notify_hand_on(void)
{
    if (manager_bytes > 0)
        setenv("NOTIFY_SOCKET", manager_path, 1);
}
