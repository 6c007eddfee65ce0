/* What a process says when it ends by a signal, and that it ends by that one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/crash.h"
#include "base/log.h"
#include "base/util.h"

enum { WORDS_BYTES = 65536, WAIT_MS = 10000 };

static char said[WORDS_BYTES];

static int
sanitized(void)
{
    struct sigaction before;

    crash_handler_install("test");      /* of the parent too: no test here should crash */
    sigaction(SIGABRT, NULL, &before);
    return before.sa_handler == SIG_DFL;
}

typedef void crash_fn(void);

/* Runs it in a child; what that said, in `said`, and its wait status. */
static int
status_of(crash_fn *crash)
{
    const struct rlimit no_core = { 0, 0 };
    size_t bytes = 0;
    ssize_t got;
    int ends[2], status;
    pid_t pid;

    assert_int_equal(pipe(ends), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        setrlimit(RLIMIT_CORE, &no_core);
        prctl(PR_SET_NAME, "crasher");
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        crash_handler_install("test");
        crash();
        _exit(0);
    }
    close(ends[1]);
    while (bytes < sizeof said - 1 &&
           (got = read(ends[0], said + bytes, sizeof said - 1 - bytes)) > 0)
        bytes += (size_t)got;
    said[bytes] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

/* Frames with names to look for; what is read after the call keeps them apart. */
static __attribute__((noinline)) int
write_to(volatile int *where, int depth)
{
    volatile int after = depth;

    if (depth > 0)
        return write_to(where, depth - 1) + after;
    *where = 1;
    return after;
}

static uintptr_t volatile nowhere = 0x18;     /* the compiler shall not know */

static void
write_nowhere(void)
{
    write_to((volatile int *)nowhere, 3);
}

static unsigned
count_of(const char *text)
{
    unsigned count = 0;

    for (const char *at = said; (at = strstr(at, text)) != NULL; at++)
        count++;
    return count;
}

static void
a_wild_write_is_told_with_its_frames(void **state)
{
    int status;

    (void)state;
    if (sanitized())
        skip();
    status = status_of(write_nowhere);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
    assert_non_null(strstr(said, " error test["));
    assert_non_null(strstr(said, "ends by signal 11 (SIGSEGV) at address 0x18 in thread "
                                 "crasher\n"));
    assert_non_null(strstr(said, "thread crasher: #0 test_crash+0x"));
    assert_true(count_of(": #") >= 6);          /* four of write_to(), then us */
    assert_true(count_of("test_crash+0x") >= 6);
    assert_int_equal(count_of("~"), 0);
}

/* The offsets are those of the file: the name of the function is found by them. */
static void
offsets_name_the_function(void **state)
{
    char command[256], name[128] = "", exe[200];
    const char *offset;
    ssize_t bytes = readlink("/proc/self/exe", exe, sizeof exe - 1);
    FILE *output;

    (void)state;
    if (sanitized() || system("addr2line --version >/dev/null 2>&1") != 0)
        skip();
    assert_true(bytes > 0);
    exe[bytes] = '\0';
    status_of(write_nowhere);
    offset = strstr(said, "#1 test_crash+");
    assert_non_null(offset);
    snprintf(command, sizeof command, "addr2line -fe %.200s %.18s", exe,
             offset + strlen("#1 test_crash+"));
    *strchrnul(command, '\n') = '\0';
    output = popen(command, "r");
    assert_non_null(output);
    assert_non_null(fgets(name, sizeof name, output));
    pclose(output);
    assert_string_equal(name, "write_to\n");
}

static void
abort_it(void)
{
    abort();
}

static void
an_abort_is_told(void **state)
{
    int status;

    (void)state;
    if (sanitized())
        skip();
    status = status_of(abort_it);
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_non_null(strstr(said, "ends by signal 6 (SIGABRT) in thread crasher\n"));
    assert_true(count_of("test_crash+0x") >= 2);
}

static __attribute__((noinline)) void
use_up_the_stack(volatile char *before)
{
    volatile char here[4096];

    here[0] = before != NULL ? before[0] : 0;
    if (nowhere != 0)
        use_up_the_stack(here);
    here[1] = here[0];
}

static void
overflow(void)
{
    use_up_the_stack(NULL);
}

static void
a_stack_that_is_used_up_is_told_on_another(void **state)
{
    int status;

    (void)state;
    if (sanitized())
        skip();
    status = status_of(overflow);
    assert_int_equal(WTERMSIG(status), SIGSEGV);
    assert_non_null(strstr(said, "(SIGSEGV)"));
    assert_true(count_of("test_crash+0x") >= 8);
}

static void
crash_in_json(void)
{
    log_set_format(LOG_JSON);
    write_nowhere();
}

static void
every_line_is_json_when_the_log_is(void **state)
{
    char *rest = said, *line;
    unsigned lines = 0;

    (void)state;
    if (sanitized())
        skip();
    status_of(crash_in_json);
    while ((line = strsep(&rest, "\n")) != NULL && line[0] != '\0') {
        json_t *object = json_loads(line, 0, NULL);

        assert_non_null(object);
        assert_string_equal(json_string_value(json_object_get(object, "level")), "error");
        assert_string_equal(json_string_value(json_object_get(object, "process")), "test");
        assert_true(json_is_integer(json_object_get(object, "pid")));
        assert_int_equal(strlen(json_string_value(json_object_get(object, "time"))), 24);
        assert_true(json_is_string(json_object_get(object, "message")));
        json_decref(object);
        lines++;
    }
    assert_true(lines >= 6);
}

/* ---- threads ---- */

static pthread_barrier_t ready;

static __attribute__((noinline)) void
hang(void)
{
    for (;;)
        poll(NULL, 0, WAIT_MS);
}

static void *
hang_in_a_thread(void *unused)
{
    prctl(PR_SET_NAME, "hanging");
    crash_handler_thread();
    pthread_barrier_wait(&ready);
    hang();
    return unused;
}

/* As a supervisor does it to a worker that does not answer. */
static void
be_aborted_by_a_child(void)
{
    pid_t self = getpid();
    pthread_t thread;

    pthread_barrier_init(&ready, NULL, 2);
    pthread_create(&thread, NULL, hang_in_a_thread, NULL);
    pthread_barrier_wait(&ready);
    if (fork() == 0) {
        kill(self, SIGABRT);
        _exit(0);
    }
    hang();
}

static void
who_is_told_to_abort_tells_every_thread(void **state)
{
    int status;

    (void)state;
    if (sanitized())
        skip();
    status = status_of(be_aborted_by_a_child);
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_non_null(strstr(said, "ends by signal 6 (SIGABRT) sent by process "));
    assert_non_null(strstr(said, "thread crasher: #0 "));
    assert_non_null(strstr(said, "thread hanging: #0 "));
}

static void *
crash_in_a_thread(void *unused)
{
    prctl(PR_SET_NAME, "second");
    crash_handler_thread();
    write_nowhere();
    return unused;
}

static void
crash_second_thread(void)
{
    pthread_t thread;

    pthread_create(&thread, NULL, crash_in_a_thread, NULL);
    hang();
}

static void
a_crash_in_another_thread_names_it(void **state)
{
    int status;

    (void)state;
    if (sanitized())
        skip();
    status = status_of(crash_second_thread);
    assert_int_equal(WTERMSIG(status), SIGSEGV);
    assert_non_null(strstr(said, "at address 0x18 in thread second\n"));
    assert_true(count_of("thread second: #") >= 6);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wild_write_is_told_with_its_frames),
        cmocka_unit_test(offsets_name_the_function),
        cmocka_unit_test(an_abort_is_told),
        cmocka_unit_test(a_stack_that_is_used_up_is_told_on_another),
        cmocka_unit_test(every_line_is_json_when_the_log_is),
        cmocka_unit_test(who_is_told_to_abort_tells_every_thread),
        cmocka_unit_test(a_crash_in_another_thread_names_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
