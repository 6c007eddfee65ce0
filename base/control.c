#include "base/control.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define HEADER_BYTES offsetof(struct control_message, body)
#define BYTES_WITH(member) (HEADER_BYTES + sizeof(((struct control_message *)0)->body.member))
#define ENDS(field) (memchr((field), '\0', sizeof(field)) != NULL)

/* Room for the descriptors of one message, aligned as struct cmsghdr wants it. */
union fds_room {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(CONTROL_FDS_MAX * sizeof(int))];
};

size_t
control_bytes(uint32_t type)
{
    switch (type) {
    case CONTROL_HELLO:
        return BYTES_WITH(hello);
    case CONTROL_SETTINGS:
    case CONTROL_PING:
    case CONTROL_PONG:
    case CONTROL_SEED:
    case CONTROL_REPORT_END:
    case CONTROL_TOLD_TO_END:
        return HEADER_BYTES;
    case CONTROL_STOP:
        return BYTES_WITH(stop);
    case CONTROL_APP_SOCKETS:
    case CONTROL_REPORT_SOCKETS:
        return BYTES_WITH(sockets);
    case CONTROL_APP_LOAD:
    case CONTROL_APP_SOCKETS_ACK:
    case CONTROL_APP_COMMIT:
    case CONTROL_APP_LOADED:
    case CONTROL_APP_ACCEPT:
    case CONTROL_APP_BOARD:
    case CONTROL_APP_GROW:
    case CONTROL_APP_UNRESPONSIVE:
    case CONTROL_APP_DRAIN:
    case CONTROL_APP_GONE:
    case CONTROL_APP_UNLOAD:
    case CONTROL_APP_ACCEPTING:
    case CONTROL_APP_RETIRE:
    case CONTROL_APP_FOLLOW:
    case CONTROL_APP_OVERRIDES:
    case CONTROL_APP_OVERRIDES_MORE:
    case CONTROL_REPORT_APP:
        return BYTES_WITH(app);
    case CONTROL_APP_HEALTH:
        return BYTES_WITH(health);
    case CONTROL_RECORD:
        return BYTES_WITH(record);
    case CONTROL_TARGET_REPORT:
        return BYTES_WITH(report);
    default:
        return 0;
    }
}

static bool
texts_end(const struct control_message *message)
{
    size_t bytes = control_bytes(message->type);

    if (message->type == CONTROL_HELLO)
        return ENDS(message->body.hello.version) && ENDS(message->body.hello.name);
    if (message->type == CONTROL_APP_HEALTH)
        return ENDS(message->body.health.app);
    if (message->type == CONTROL_TARGET_REPORT)
        return ENDS(message->body.report.app) && ENDS(message->body.report.target) &&
               ENDS(message->body.report.detail);
    if (message->type == CONTROL_RECORD)
        return record_check(&message->body.record) == 0;
    if (bytes == BYTES_WITH(sockets))
        return ENDS(message->body.sockets.app);
    if (bytes == BYTES_WITH(app))
        return ENDS(message->body.app.app) && ENDS(message->body.app.detail);
    return true;
}
_Static_assert(BYTES_WITH(app) != BYTES_WITH(stop), "a body's size tells it from this one");
_Static_assert(BYTES_WITH(app) != BYTES_WITH(sockets), "and from this one");

int
control_decode(const void *data, size_t bytes, struct control_message *message)
{
    uint32_t header[2];         /* magic, type; `data` may lie anywhere */

    if (bytes < HEADER_BYTES)
        return -EPROTO;
    memcpy(header, data, sizeof header);
    if (header[0] != CONTROL_MAGIC || control_bytes(header[1]) != bytes)
        return -EPROTO;
    memmove(message, data, bytes);
    memset((char *)message + bytes, 0, sizeof *message - bytes);
    return texts_end(message) ? 0 : -EPROTO;
}

int
control_send(int socket, const struct control_message *message, const int *fds,
             size_t fd_count)
{
    union fds_room room = { 0 };
    struct iovec part = { (void *)message, control_bytes(message->type) };
    struct msghdr packet = { .msg_iov = &part, .msg_iovlen = 1 };
    ssize_t sent;

    assert(part.iov_len > 0);
    assert(fd_count <= CONTROL_FDS_MAX);
    if (fd_count > 0) {
        room.header.cmsg_level = SOL_SOCKET;
        room.header.cmsg_type = SCM_RIGHTS;
        room.header.cmsg_len = CMSG_LEN(fd_count * sizeof(int));
        memcpy(CMSG_DATA(&room.header), fds, fd_count * sizeof(int));
        packet.msg_control = room.bytes;
        packet.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
    }
    do {
        sent = sendmsg(socket, &packet, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : 0;
}

/* Everything that came beside the packet; there is room for as many. */
static size_t
take_fds(struct msghdr *packet, int *fds)
{
    size_t count = 0;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(packet); c != NULL; c = CMSG_NXTHDR(packet, c)) {
        size_t bytes = c->cmsg_len - CMSG_LEN(0);

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        assert(count + bytes / sizeof(int) <= CONTROL_FDS_MAX);
        memcpy(fds + count, CMSG_DATA(c), bytes);
        count += bytes / sizeof(int);
    }
    return count;
}

static ssize_t
receive_packet(int socket, struct msghdr *packet)
{
    size_t room_bytes = packet->msg_controllen;
    ssize_t bytes;
    int resets = 0;

    /* A peer that ended without reading everything leaves ECONNRESET, reported once and
     * before what it had sent: that and the end of file come with the next calls. */
    do {
        packet->msg_controllen = room_bytes;
        bytes = recvmsg(socket, packet, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    } while (bytes < 0 && (errno == EINTR || (errno == ECONNRESET && resets++ < 2)));
    return bytes;
}

int
control_receive(int socket, struct control_message *message, int *fds, size_t *fd_count)
{
    union fds_room room;
    struct iovec part = { message, sizeof *message };
    struct msghdr packet = { .msg_iov = &part, .msg_iovlen = 1,
                             .msg_control = room.bytes, .msg_controllen = sizeof room.bytes };
    ssize_t bytes = receive_packet(socket, &packet);
    size_t count;
    int rc;

    *fd_count = 0;
    if (bytes < 0)
        return errno == ECONNRESET ? 0 : -errno;
    count = take_fds(&packet, fds);
    rc = bytes == 0 ? 0 : 1;
    if (bytes > 0 && ((packet.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0
                      || control_decode(message, (size_t)bytes, message) < 0))
        rc = -EPROTO;
    if (rc == 1)
        *fd_count = count;
    for (size_t i = 0; rc != 1 && i < count; i++)
        close(fds[i]);
    return rc;
}

void
control_app_message(struct control_message *message, enum control_type type, const char *app,
                    uint32_t generation)
{
    size_t chars = strlen(app);

    assert(control_bytes(type) == BYTES_WITH(app) || control_bytes(type) == BYTES_WITH(sockets));
    assert(chars < APP_NAME_BYTES);
    memset(message, 0, sizeof *message);
    message->magic = CONTROL_MAGIC;
    message->type = type;
    memcpy(message->body.app.app, app, chars);
    message->body.app.generation = generation;
}
_Static_assert(offsetof(struct control_app, app) == offsetof(struct control_sockets, app) &&
                   offsetof(struct control_app, generation) ==
                       offsetof(struct control_sockets, generation),
               "both begin with whom they are about");
