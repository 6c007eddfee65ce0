/*
 * A real disk that is full or read-only: a small tmpfs in a mount namespace of our own. Where
 * that may not be made (no root), these tests are skipped; test_store_trouble.c has the same
 * troubles made by hand.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>

#include "base/log.h"
#include "tests/unit/store_fixture.h"

#define GENERATION "SELECT generation FROM last_good_config"

static int
setup(void **state)
{
    struct fixture *fixture;

    fixture_setup(state);
    fixture = *state;
    if (unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
        mount("tmpfs", fixture->dir, "tmpfs", 0, "size=2m") == 0)
        return 0;
    fixture_teardown(state);
    *state = NULL;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fixture = *state;
    char dir[sizeof fixture->dir];

    if (fixture == NULL)
        return 0;
    memcpy(dir, fixture->dir, sizeof dir);
    if (fixture->store != NULL)
        fixture_close(fixture);
    umount2(dir, MNT_DETACH);
    return fixture_teardown(state);
}

static struct fixture *
fixture_or_skip(void **state)
{
    if (*state == NULL)
        skip();
    return *state;
}

static void
ballast_path(struct fixture *fixture, char *path, size_t bytes)
{
    snprintf(path, bytes, "%s/ballast", fixture->dir);
}

/* Takes all the room there is. */
static void
fill_disk(struct fixture *fixture)
{
    static const char zeros[4096];
    char path[128];
    int fd;

    ballast_path(fixture, path, sizeof path);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    while (write(fd, zeros, sizeof zeros) > 0)
        ;
    assert_int_equal(errno, ENOSPC);
    close(fd);
}

static void
free_disk(struct fixture *fixture)
{
    char path[128];

    ballast_path(fixture, path, sizeof path);
    assert_int_equal(unlink(path), 0);
}

/* Its text needs pages that are not there. */
static void
write_large(struct fixture *fixture, uint32_t generation)
{
    static char text[64 << 10];

    memset(text, 'x', sizeof text - 1);
    assert_int_equal(store_write_config(fixture->store, "a", generation, "good", "f", text,
                                        "hash", "", clock_wall_ms()), 0);
}

/* Lines that went to standard error while it was a file. */
struct capture {
    int real, fd;
};

static struct capture
capture_start(void)
{
    struct capture capture = { .real = dup(STDERR_FILENO) };
    char path[] = "/tmp/fproxy-test-log-XXXXXX";

    capture.fd = mkstemp(path);
    assert_true(capture.real >= 0 && capture.fd >= 0);
    unlink(path);
    assert_true(dup2(capture.fd, STDERR_FILENO) == STDERR_FILENO);
    return capture;
}

/* How many of them have `words`; ends the capture. */
static int
capture_count(struct capture *capture, const char *words)
{
    FILE *file = fdopen(capture->fd, "r");
    char line[LOG_LINE_BYTES];
    int count = 0;

    dup2(capture->real, STDERR_FILENO);
    close(capture->real);
    assert_non_null(file);
    rewind(file);
    while (fgets(line, sizeof line, file) != NULL)
        count += strstr(line, words) != NULL;
    fclose(file);
    return count;
}

static void
a_full_disk_while_running_loses_nothing(void **state)
{
    struct fixture *fixture = fixture_or_skip(state);

    fixture_open(fixture);
    write_good(fixture, "a", 1, clock_wall_ms());
    fixture_await(fixture, GENERATION, "1");
    fill_disk(fixture);
    write_large(fixture, 2);
    store_write_override(fixture->store, "a", "", "drain", "", clock_wall_ms());
    fixture_await_state(fixture, "full");
    assert_string_equal(fixture_query(fixture, GENERATION), "1");
    free_disk(fixture);
    fixture_await(fixture, GENERATION, "2");
    fixture_await_state(fixture, "ok");
    fixture_await(fixture, "SELECT action FROM overrides", "drain");
    assert_int_equal(fixture_files(fixture, ".bad-"), 0);
}

static void
a_full_disk_at_the_start_loses_nothing(void **state)
{
    struct fixture *fixture = fixture_or_skip(state);

    fill_disk(fixture);
    fixture_open(fixture);
    write_large(fixture, 1);
    fixture_await_state(fixture, "full");
    free_disk(fixture);
    fixture_await(fixture, GENERATION, "1");
    fixture_await_state(fixture, "ok");
    assert_int_equal(fixture_files(fixture, ".bad-"), 0);
}

static void
remount(struct fixture *fixture, unsigned long flags)
{
    assert_int_equal(mount(NULL, fixture->dir, NULL, MS_REMOUNT | flags, "size=2m"), 0);
}

static void
a_read_only_disk_at_the_start_still_tells_what_was_good(void **state)
{
    struct fixture *fixture = fixture_or_skip(state);
    struct store_config *configs;
    size_t count;
    char text[512];

    fixture_open(fixture);
    write_good(fixture, "a", 1, clock_wall_ms());
    fixture_close(fixture);
    remount(fixture, MS_RDONLY);
    fixture_open(fixture);
    assert_false(store_state(fixture->store, text, sizeof text));
    assert_int_equal(store_read_configs(fixture->store, &configs, &count), 0);
    assert_int_equal(count, 2);
    store_configs_free(configs, count);
    write_good(fixture, "a", 2, clock_wall_ms());

    remount(fixture, 0);
    fixture_await(fixture, GENERATION, "2");
    fixture_await_state(fixture, "ok");
    assert_int_equal(fixture_files(fixture, ".bad-"), 0);
}

/* The thread tries again after 1 s and 2 s; that is heard once. */
static void
a_trouble_is_told_once_and_its_end_is(void **state)
{
    struct fixture *fixture = fixture_or_skip(state);
    struct capture capture = capture_start();
    uint64_t until_ms = clock_monotonic_ms() + 1500;

    fill_disk(fixture);
    fixture_open(fixture);
    for (uint32_t generation = 1; clock_monotonic_ms() < until_ms; generation++) {
        write_good(fixture, "a", generation, clock_wall_ms());
        short_pause();
    }
    free_disk(fixture);
    fixture_await_state(fixture, "ok");
    fixture_close(fixture);
    assert_int_equal(capture_count(&capture, "store: "), 2);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_full_disk_while_running_loses_nothing),
        TEST(a_full_disk_at_the_start_loses_nothing),
        TEST(a_read_only_disk_at_the_start_still_tells_what_was_good),
        TEST(a_trouble_is_told_once_and_its_end_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
