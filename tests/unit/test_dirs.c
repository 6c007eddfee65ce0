#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/dirs.h"
#include "base/names.h"

enum { NOBODY = 65534 };

static char scratch[64];

static int
set_up(void **state)
{
    unsetenv("FPROXY_STATE_DIR");
    unsetenv("FPROXY_RUNTIME_DIR");
    unsetenv("FPROXY_CONFIG_PATH");
    unsetenv("XDG_STATE_HOME");
    unsetenv("XDG_RUNTIME_DIR");
    unsetenv("XDG_CONFIG_HOME");
    strcpy(scratch, "/tmp/test_dirs.XXXXXX");
    return mkdtemp(scratch) == NULL;
}

static int
tear_down(void **state)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf %s", scratch);
    return system(command);
}

static const char *
in_scratch(const char *name)
{
    static char path[256];

    snprintf(path, sizeof path, "%s/%s", scratch, name);
    return path;
}

/* Root acts as `uid` from here on; another user stays itself. */
static void
become(uid_t uid)
{
    if (getuid() == 0)
        assert_int_equal(seteuid(uid), 0);
}

static void
assert_resolved(enum dir_kind kind, const char *option, const char *configured,
                const char *expected)
{
    char path[PATH_BYTES];

    assert_int_equal(dirs_resolve(kind, option, configured, path), 0);
    assert_string_equal(path, expected);
}

static void
the_option_goes_before_the_environment_before_the_configuration(void **state)
{
    setenv("FPROXY_STATE_DIR", "/from/environment", 1);
    assert_resolved(DIR_STATE, "/from/option", "/from/config", "/from/option");
    assert_resolved(DIR_STATE, NULL, "/from/config", "/from/environment");
    assert_resolved(DIR_STATE, "", "/from/config", "/from/environment");
    setenv("FPROXY_STATE_DIR", "", 1);
    assert_resolved(DIR_STATE, NULL, "/from/config", "/from/config");
    unsetenv("FPROXY_STATE_DIR");
    assert_resolved(DIR_STATE, NULL, "/from/config", "/from/config");
    setenv("FPROXY_RUNTIME_DIR", "/r", 1);
    setenv("FPROXY_CONFIG_PATH", "/c", 1);
    assert_resolved(DIR_RUNTIME, NULL, NULL, "/r");
    assert_resolved(DIR_CONFIG, NULL, NULL, "/c");
}

static void
root_has_the_directories_of_the_system(void **state)
{
    if (geteuid() != 0)
        skip();
    setenv("XDG_STATE_HOME", "/xdg", 1);
    assert_resolved(DIR_STATE, NULL, NULL, "/var/lib/fproxy");
    assert_resolved(DIR_RUNTIME, NULL, "", "/run/fproxy");
    assert_resolved(DIR_CONFIG, NULL, NULL, "/etc/fproxy/conf.d");
}

static void
a_user_has_the_xdg_directories(void **state)
{
    char tmp[64];

    become(NOBODY);
    setenv("HOME", "/home/u", 1);
    assert_resolved(DIR_STATE, NULL, NULL, "/home/u/.local/state/fproxy");
    assert_resolved(DIR_CONFIG, NULL, NULL, "/home/u/.config/fproxy/conf.d");
    snprintf(tmp, sizeof tmp, "/tmp/fproxy-%u", (unsigned)geteuid());
    assert_resolved(DIR_RUNTIME, NULL, NULL, tmp);
    setenv("XDG_STATE_HOME", "/s", 1);
    setenv("XDG_CONFIG_HOME", "/c", 1);
    setenv("XDG_RUNTIME_DIR", "/r", 1);
    assert_resolved(DIR_STATE, NULL, NULL, "/s/fproxy");
    assert_resolved(DIR_CONFIG, NULL, NULL, "/c/fproxy/conf.d");
    assert_resolved(DIR_RUNTIME, NULL, NULL, "/r/fproxy");
    setenv("XDG_RUNTIME_DIR", "relative", 1);
    assert_resolved(DIR_RUNTIME, NULL, NULL, tmp);
    become(0);
}

static void
a_path_too_long_is_an_error(void **state)
{
    static char longer[PATH_BYTES + 1], path[PATH_BYTES];

    memset(longer, 'a', PATH_BYTES);
    assert_int_equal(dirs_resolve(DIR_STATE, longer, NULL, path), -ENAMETOOLONG);
    longer[PATH_BYTES - 1] = '\0';
    assert_int_equal(dirs_resolve(DIR_STATE, longer, NULL, path), 0);
}

static void
a_directory_is_made_with_all_above_it_whatever_the_umask(void **state)
{
    mode_t old_mask = umask(0077);
    int fd = dirs_open(in_scratch("a/b/c"), 0750);
    struct stat stat;

    umask(old_mask);
    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(fstat(fd, &stat), 0);
    assert_int_equal(stat.st_mode & 07777, 0750);
    close(fd);
}

static void
a_directory_that_is_there_keeps_its_mode(void **state)
{
    struct stat stat;
    int fd;

    assert_int_equal(mkdir(in_scratch("d"), 0700), 0);
    fd = dirs_open(in_scratch("d/"), 0750);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &stat), 0);
    assert_int_equal(stat.st_mode & 07777, 0700);
    close(fd);
}

static void
what_is_no_directory_is_an_error(void **state)
{
    int fd = open(in_scratch("file"), O_CREAT | O_WRONLY, 0600);

    close(fd);
    assert_int_equal(dirs_open(in_scratch("file"), 0750), -ENOTDIR);
    assert_int_equal(dirs_open(in_scratch("file/below"), 0750), -ENOTDIR);
}

/* A descriptor of its root, which is mounted nowhere: a mount would need a place, and a mount
 * namespace, which cannot be made private within a chroot. Else -errno. */
static int
read_only_disk(void)
{
    int context = fsopen("tmpfs", FSOPEN_CLOEXEC);
    int disk;

    if (context < 0)
        return -errno;
    disk = fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
    if (disk == 0)
        disk = fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY);
    if (disk < 0)
        disk = -errno;
    close(context);
    return disk;
}

static void
a_read_only_disk_is_named_as_the_reason(void **state)
{
    static const char *const paths[] = { "state", "deep/er/state" };
    int disk = read_only_disk();
    char path[128];

    if (disk == -EPERM)
        skip();                         /* only root may mount */
    assert_true(disk >= 0);
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "/proc/self/fd/%d/%s", disk, paths[i]);
        assert_int_equal(dirs_open(path, 0750), -EROFS);
    }
    close(disk);
}

static void
a_directory_or_link_of_someone_else_is_refused(void **state)
{
    char link_path[256];

    if (geteuid() != 0)
        skip();
    assert_int_equal(mkdir(in_scratch("theirs"), 0777), 0);
    assert_int_equal(chown(in_scratch("theirs"), NOBODY, NOBODY), 0);
    assert_int_equal(dirs_open(in_scratch("theirs"), 0750), -EPERM);

    strcpy(link_path, in_scratch("link"));
    assert_int_equal(symlink(scratch, link_path), 0);
    assert_int_equal(lchown(link_path, NOBODY, NOBODY), 0);
    assert_int_equal(dirs_open(link_path, 0750), -EPERM);
}

static void
in_tmp_a_directory_is_private_and_no_link(void **state)
{
    char path[128];
    struct stat stat;
    int fd;

    snprintf(path, sizeof path, "/tmp/fproxy-test-%d", (int)getpid());
    assert_int_equal(mkdir(path, 0755), 0);
    fd = dirs_open(path, 0750);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &stat), 0);
    assert_int_equal(stat.st_mode & 07777, 0700);
    close(fd);
    rmdir(path);

    assert_int_equal(symlink(scratch, path), 0);
    fd = dirs_open(path, 0750);
    unlink(path);
    assert_true(fd == -ELOOP || fd == -ENOTDIR);
}

static void
a_socket_path_goes_through_the_directory_and_is_bounded(void **state)
{
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    char name[128];

    assert_int_equal(dirs_socket_path(7, "admin.sock", path, sizeof path), 0);
    assert_string_equal(path, "/proc/self/fd/7/admin.sock");
    assert_int_equal(dirs_socket_path(7, "admin.sock", path, 20), -ENAMETOOLONG);
    memset(name, 'a', sizeof name);
    name[91] = '\0';            /* 16 + 91 + NUL = 108 */
    assert_int_equal(dirs_socket_path(7, name, path, sizeof path), 0);
    name[91] = 'a';
    name[92] = '\0';
    assert_int_equal(dirs_socket_path(7, name, path, sizeof path), -ENAMETOOLONG);
}

#define CLEAN(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CLEAN(the_option_goes_before_the_environment_before_the_configuration),
        CLEAN(root_has_the_directories_of_the_system),
        CLEAN(a_user_has_the_xdg_directories),
        CLEAN(a_path_too_long_is_an_error),
        CLEAN(a_directory_is_made_with_all_above_it_whatever_the_umask),
        CLEAN(a_directory_that_is_there_keeps_its_mode),
        CLEAN(what_is_no_directory_is_an_error),
        CLEAN(a_read_only_disk_is_named_as_the_reason),
        CLEAN(a_directory_or_link_of_someone_else_is_refused),
        CLEAN(in_tmp_a_directory_is_private_and_no_link),
        CLEAN(a_socket_path_goes_through_the_directory_and_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
