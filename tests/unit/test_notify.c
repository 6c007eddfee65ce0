#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy/supervisor/notify.h"

static void
assert_arrives(const struct sockaddr_un *address, socklen_t bytes, const char *variable)
{
    char text[64] = { 0 };
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

    assert_int_equal(bind(fd, (const struct sockaddr *)address, bytes), 0);
    setenv("NOTIFY_SOCKET", variable, 1);
    notify_init();
    assert_null(getenv("NOTIFY_SOCKET"));       /* children must not speak for us */
    notify_send("READY=1\nSTATUS=%u apps", 3);
    assert_true(recv(fd, text, sizeof text - 1, 0) > 0);
    assert_string_equal(text, "READY=1\nSTATUS=3 apps");
    close(fd);
}

static void
a_socket_in_the_file_system_is_told(void **state)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    char dir[] = "/tmp/fproxy-test-notify-XXXXXX";

    assert_non_null(mkdtemp(dir));
    snprintf(address.sun_path, sizeof address.sun_path, "%s/s", dir);
    assert_arrives(&address, sizeof address, address.sun_path);
    unlink(address.sun_path);
    rmdir(dir);
}

static void
an_abstract_socket_is_told(void **state)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    char variable[64];
    int chars = snprintf(variable, sizeof variable, "@fproxy-test-notify-%d", (int)getpid());

    memcpy(address.sun_path + 1, variable + 1, (size_t)chars - 1);
    assert_arrives(&address,
                   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)chars),
                   variable);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_socket_in_the_file_system_is_told),
        cmocka_unit_test(an_abstract_socket_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
