/* Any packet on a control connection: taken or refused the same way by both entries, and
 * what is taken has texts that end and is sent again unchanged. */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void
check_texts(const struct control_message *message)
{
    if (message->type == CONTROL_HELLO)
        assert(strlen(message->body.hello.version) < sizeof message->body.hello.version &&
               strlen(message->body.hello.name) < sizeof message->body.hello.name);
    else if (message->type == CONTROL_APP_HEALTH)
        assert(strlen(message->body.health.app) < APP_NAME_BYTES);
    else if (message->type == CONTROL_RECORD)
        assert(record_check(&message->body.record) == 0);
    else if (control_bytes(message->type) == control_bytes(CONTROL_APP_SOCKETS))
        assert(strlen(message->body.sockets.app) < APP_NAME_BYTES);
    else if (control_bytes(message->type) == control_bytes(CONTROL_APP_LOAD))
        assert(strlen(message->body.app.detail) < DETAIL_BYTES);
}

static int
receive(int socket, struct control_message *message)
{
    int fds[CONTROL_FDS_MAX];
    size_t fd_count;
    int rc = control_receive(socket, message, fds, &fd_count);

    for (size_t i = 0; i < fd_count; i++)
        close(fds[i]);
    return rc;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static int sockets[2] = { -1, -1 };
    struct control_message decoded, received;
    uint8_t *copy;
    int rc;

    if (sockets[0] < 0
        && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
        abort();
    if (bytes == 0 || bytes > 65536)
        return 0;               /* an empty packet looks like the end */

    copy = malloc(bytes);       /* of the exact size, for the address sanitizer */
    memcpy(copy, data, bytes);
    rc = control_decode(copy, bytes, &decoded);
    assert(rc == 0 || rc == -EPROTO);
    assert(send(sockets[0], copy, bytes, 0) == (ssize_t)bytes);
    assert(receive(sockets[1], &received) == (rc == 0 ? 1 : -EPROTO));
    free(copy);
    if (rc < 0)
        return 0;

    assert(memcmp(&decoded, &received, sizeof decoded) == 0);
    check_texts(&decoded);
    assert(control_send(sockets[0], &decoded, &sockets[0], 1) == 0);
    assert(receive(sockets[1], &received) == 1);
    assert(memcmp(&decoded, &received, sizeof decoded) == 0);
    return 0;
}
