#include "probes/connect_failed.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "probes/probe.h"

static const char *
describe(enum reason reason)
{
    switch (reason) {
    case REASON_CONNECT_UNREACHABLE:
        return "unreachable";
    case REASON_CONNECT_RESET:
        return "connection reset";
    case REASON_CONNECT_TIMEOUT:
        return "no answer";
    default:
        return "cannot connect";
    }
}

/* Have we an address from which `to` could be reached? UDP has ports of its own, so it is not
 * hindered when those of TCP are all taken, and connecting it sends nothing. */
static bool
can_reach(const struct address *to)
{
    struct sockaddr_storage storage;
    socklen_t bytes = address_to_sockaddr(to, &storage);
    int fd = socket(storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool reaches;

    if (fd < 0)
        return true;            /* we are short of something: nothing is said about `to` */
    reaches = connect(fd, (struct sockaddr *)&storage, bytes) == 0;
    close(fd);
    return reaches;
}

void
probe_connect_failed(struct probe *probe, int error)
{
    enum reason reason = reason_from_errno(error);

    /* Either no port is left, which is our fault, or we have no address that fits, as where
     * IPv6 is switched off: then it will not work next time either. */
    if (error == EADDRNOTAVAIL && !can_reach(&probe->address))
        reason = REASON_CONNECT_UNREACHABLE;
    if (reason == REASON_CONNECT_REFUSED)
        probe_done(probe, reason, "connection refused");
    else
        probe_done(probe, reason, "%s (%s)", describe(reason), strerror(error));
}
