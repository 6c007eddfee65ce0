/* Locks, the files that name processes, and what is left of a dead run. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy/supervisor/children.h"
#include "proxy/supervisor/leftovers.h"
#include "proxy/supervisor/lock.h"

struct fixture {
    char dir[64];
    int fd;
};

static int
setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    assert_non_null(fixture);
    strcpy(fixture->dir, "/tmp/fproxy-test-lock-XXXXXX");
    assert_non_null(mkdtemp(fixture->dir));
    fixture->fd = open(fixture->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fixture->fd >= 0);
    *state = fixture;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fixture = *state;

    unlinkat(fixture->fd, "mine.txt", 0);
    unlinkat(fixture->fd, "supervisor.pid", 0);
    close(fixture->fd);
    assert_int_equal(rmdir(fixture->dir), 0);
    free(fixture);
    return 0;
}

static void
touch(const struct fixture *fixture, const char *name)
{
    int fd = openat(fixture->fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    close(fd);
}

static void
the_second_one_is_told_who_holds_the_directory(void **state)
{
    struct fixture *fixture = *state;
    struct process_id holder;
    int second = open(fixture->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assert_int_equal(lock_take(fixture->fd, &holder), 0);
    assert_int_equal(lock_take(second, &holder), -EWOULDBLOCK);
    assert_int_equal(holder.pid, 0);
    assert_int_equal(lock_sign(fixture->fd), 0);
    assert_int_equal(lock_take(second, &holder), -EWOULDBLOCK);
    assert_int_equal(holder.pid, getpid());
    close(second);
}

static void
a_lock_ends_with_its_holder(void **state)
{
    struct fixture *fixture = *state;
    struct process_id holder;
    int first = open(fixture->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assert_int_equal(lock_take(first, &holder), 0);
    assert_int_equal(lock_sign(first), 0);      /* the file stays, as after a kill */
    close(first);
    assert_int_equal(lock_take(fixture->fd, &holder), 0);
}

static void
a_process_is_opened_only_if_it_is_the_same(void **state)
{
    struct process_id id;
    int pidfd;

    assert_int_equal(process_id_of(getpid(), &id), 0);
    pidfd = process_id_open(&id);
    assert_true(pidfd >= 0);
    close(pidfd);
    id.start_ticks++;
    assert_int_equal(process_id_open(&id), -ESRCH);
}

static void
an_ended_process_is_not_found(void **state)
{
    struct process_id id;
    pid_t pid = fork();

    if (pid == 0)
        pause();
    assert_int_equal(process_id_of(pid, &id), 0);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(process_id_open(&id), -ESRCH);
    assert_int_equal(process_id_of(pid, &id), -ESRCH);
}

static void
what_is_no_file_of_a_process_is_refused(void **state)
{
    static const char *const texts[] = { "", "x", "12", "-5 7", "0 0" };
    struct fixture *fixture = *state;
    struct process_id id;

    assert_int_equal(pid_file_read(fixture->fd, "mine.txt", &id), -ENOENT);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        int fd = openat(fixture->fd, "mine.txt", O_WRONLY | O_CREAT | O_TRUNC, 0600);

        assert_int_equal(write(fd, texts[i], strlen(texts[i])), strlen(texts[i]));
        close(fd);
        assert_int_equal(pid_file_read(fixture->fd, "mine.txt", &id), -EPROTO);
    }
}

static void
only_our_files_are_cleaned_up(void **state)
{
    struct fixture *fixture = *state;

    touch(fixture, "board-web.1");
    touch(fixture, "traffic-web.web.1");
    touch(fixture, "admin.sock");
    touch(fixture, "worker-web.1.pid");
    touch(fixture, "worker-web.1.sock");
    touch(fixture, "prober.2.sock");
    touch(fixture, "mine.txt");
    leftovers_unlink(fixture->fd, NULL, NULL);
    assert_int_equal(faccessat(fixture->fd, "mine.txt", F_OK, 0), 0);
    assert_int_equal(unlinkat(fixture->fd, "mine.txt", 0), 0);
}

static bool
is_board(void *context, const char *file)
{
    return strcmp(file, context) == 0;
}

static void
what_is_still_used_is_kept(void **state)
{
    static char kept[] = "board-web.1";
    struct fixture *fixture = *state;

    touch(fixture, "board-web.1");
    touch(fixture, "board-web.2");
    leftovers_unlink(fixture->fd, is_board, kept);
    assert_int_equal(faccessat(fixture->fd, "board-web.1", F_OK, 0), 0);
    assert_int_equal(faccessat(fixture->fd, "board-web.2", F_OK, 0), -1);
    leftovers_unlink(fixture->fd, NULL, NULL);
}

static void
a_childs_files_are_named_and_recognised(void **state)
{
    struct child_place place = { .role = CONTROL_WORKER, .name = "pool-1", .instance = 12 };
    char file[CHILD_FILE_BYTES];

    child_file_name(&place, "sock", file);
    assert_string_equal(file, "worker-pool-1.12.sock");
    memset(&place, 0, sizeof place);
    assert_true(child_file_parse(file, "sock", &place));
    assert_int_equal(place.role, CONTROL_WORKER);
    assert_string_equal(place.name, "pool-1");
    assert_int_equal(place.instance, 12);
    assert_true(child_file_parse("prober.3.pid", "pid", &place));
    assert_int_equal(place.role, CONTROL_PROBER);
    assert_int_equal(place.instance, 3);
    assert_false(child_file_parse("prober.3.pid", "sock", &place));
    assert_false(child_file_parse("worker-web.pid", "pid", &place));
    assert_false(child_file_parse("worker-web.01.pid", "pid", &place));
    assert_false(child_file_parse("worker-web.1.pid.new", "pid", &place));
    assert_false(child_file_parse("board-web.1", "pid", &place));
}

static void
a_process_that_runs_another_program_is_left_alone(void **state)
{
    struct fixture *fixture = *state;
    struct process_id id;

    /* As if our number had been a worker's: this program is none. */
    assert_int_equal(process_id_of(getpid(), &id), 0);
    assert_int_equal(pid_file_write(fixture->fd, "worker-web.1.pid", &id), 0);
    assert_int_equal(leftovers_end_children(fixture->fd, 0, NULL, NULL), 0);
    leftovers_unlink(fixture->fd, NULL, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_second_one_is_told_who_holds_the_directory),
        TEST(a_lock_ends_with_its_holder),
        TEST(a_process_is_opened_only_if_it_is_the_same),
        TEST(an_ended_process_is_not_found),
        TEST(what_is_no_file_of_a_process_is_refused),
        TEST(only_our_files_are_cleaned_up),
        TEST(what_is_still_used_is_kept),
        TEST(a_childs_files_are_named_and_recognised),
        TEST(a_process_that_runs_another_program_is_left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
