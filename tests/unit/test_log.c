#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/names.h"

/* Standard error goes to a pipe or socket while a test logs. */
static struct {
    int real_stderr;
    int reader;
    char text[1 << 17];
} capture;

static void
capture_to(int reader, int writer)
{
    capture.real_stderr = dup(STDERR_FILENO);
    capture.reader = reader;
    assert_true(dup2(writer, STDERR_FILENO) == STDERR_FILENO);
    close(writer);
    log_init("worker");
    log_set_level(LOG_INFO);
    log_set_format(LOG_TEXT);
}

static void
capture_to_pipe(void)
{
    int fds[2];

    assert_int_equal(pipe(fds), 0);
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    capture_to(fds[0], fds[1]);
}

/* All that was logged since the last call. */
static const char *
captured(void)
{
    size_t have = 0;
    ssize_t n;

    while ((n = read(capture.reader, capture.text + have, sizeof capture.text - 1 - have)) > 0)
        have += (size_t)n;
    capture.text[have] = '\0';
    return capture.text;
}

static int
capture_end(void **state)
{
    dup2(capture.real_stderr, STDERR_FILENO);
    close(capture.real_stderr);
    close(capture.reader);
    log_init("worker");
    return 0;
}

/* The line is a time, then this (which names our pid as PID). */
static void
assert_line(const char *line, const char *rest)
{
    char expected[LOG_LINE_BYTES], time[TIME_TEXT_BYTES];
    const char *pid = strstr(rest, "PID");
    int64_t at_ms;

    snprintf(expected, sizeof expected, "%.*s%d%s", (int)(pid - rest), rest, (int)getpid(),
             pid + 3);
    assert_true(strlen(line) > 24);
    snprintf(time, sizeof time, "%.24s", line);
    assert_int_equal(clock_parse_utc(time, &at_ms), 0);
    assert_true(llabs(clock_wall_ms() - at_ms) < 60000);
    assert_string_equal(line + 24, expected);
}

static void
a_text_line_names_the_process_and_the_app(void **state)
{
    capture_to_pipe();
    log_info("five-thousand", "%d endpoints", 3);
    assert_line(captured(), " info worker[PID] five-thousand: 3 endpoints\n");
    log_error(NULL, "no memory");
    assert_line(captured(), " error worker[PID] no memory\n");
}

/* The JSON line without its time and pid, which differ. */
static const char *
json_rest(const char *line)
{
    static const char time_key[] = "{\"time\":\"";
    const char *pid;

    assert_int_equal(strncmp(line, time_key, strlen(time_key)), 0);
    pid = strstr(line, "\"pid\":");
    assert_non_null(pid);
    assert_int_equal(atoi(pid + 6), getpid());
    return strchr(pid, ',');
}

static void
a_json_line_is_one_object(void **state)
{
    const char *line;

    capture_to_pipe();
    log_set_format(LOG_JSON);
    log_warn("five-thousand", "3 \"endpoints\"");
    line = captured();
    assert_non_null(strstr(line, "\"level\":\"warn\",\"process\":\"worker\""));
    assert_string_equal(json_rest(line),
                        ",\"app\":\"five-thousand\",\"message\":\"3 \\\"endpoints\\\"\"}\n");
    log_warn(NULL, "x");
    assert_string_equal(json_rest(captured()), ",\"message\":\"x\"}\n");
}

static void
bytes_of_others_cannot_end_a_line_or_reach_the_terminal(void **state)
{
    capture_to_pipe();
    log_info(NULL, "got '%s'", "a\nb\r\t\x1b[31m\x7f\xff\xc2\x9b \xc3\xa9 \\ \"");
    assert_line(captured(), " info worker[PID] got 'a\\nb\\r\\t\\x1b[31m\\x7f\\xff\\u009b "
                            "\xc3\xa9 \\ \"'\n");
}

static void
json_stays_json_and_utf8_whatever_the_message(void **state)
{
    capture_to_pipe();
    log_set_format(LOG_JSON);
    log_info("a\"b", "%s", "\n\x01\\ \xc3\xa9 \xff \xc0\x80 \xed\xa0\x80 "
                            "\xf4\x90\x80\x80 \xe2\x82");
    assert_string_equal(json_rest(captured()),
                        ",\"app\":\"a\\\"b\",\"message\":\"\\n\\u0001\\\\ \xc3\xa9 "
                        "\xef\xbf\xbd \xef\xbf\xbd\xef\xbf\xbd "
                        "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd "
                        "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd "
                        "\xef\xbf\xbd\xef\xbf\xbd\"}\n");
}

static void
a_line_too_long_is_cut(void **state)
{
    char message[4 * LOG_LINE_BYTES];
    const char *line;
    size_t bytes;

    for (int format = LOG_TEXT; format <= LOG_JSON; format++) {
        for (int c = 0; c < 3; c++) {
            capture_to_pipe();
            log_set_format((enum log_format)format);
            memset(message, "a\n\xff"[c], sizeof message - 1);
            message[sizeof message - 1] = '\0';
            log_info("app", "%s", message);
            line = captured();
            bytes = strlen(line);
            assert_true(bytes <= LOG_LINE_BYTES && bytes > LOG_LINE_BYTES - 8);
            assert_string_equal(line + bytes - (format == LOG_JSON ? 6 : 4),
                                format == LOG_JSON ? "...\"}\n" : "...\n");
            assert_ptr_equal(strchr(line, '\n'), line + bytes - 1);
            capture_end(state);
        }
    }
    capture_to_pipe();
}

static void
only_the_wanted_levels_are_written(void **state)
{
    capture_to_pipe();
    log_set_level(LOG_WARN);
    log_info(NULL, "hidden");
    log_debug(NULL, "hidden");
    assert_string_equal(captured(), "");
    log_warn(NULL, "shown");
    assert_line(captured(), " warn worker[PID] shown\n");
    log_set_level(LOG_DEBUG);
    assert_true(log_enabled(LOG_DEBUG));
    log_debug(NULL, "shown");
    assert_line(captured(), " debug worker[PID] shown\n");
}

static void
errno_survives(void **state)
{
    capture_to_pipe();
    errno = EXDEV;
    log_info(NULL, "x");
    assert_int_equal(errno, EXDEV);
}

static void
a_writer_of_the_same_pipe_is_not_made_non_blocking(void **state)
{
    capture_to_pipe();
    log_info(NULL, "x");
    assert_false(fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK);
}

static void
a_file_gets_all_that_is_printed_in_its_order(void **state)
{
    char path[] = "/tmp/test_log.XXXXXX";
    int writer = mkstemp(path);
    int reader = open(path, O_RDONLY);
    const char *text;

    unlink(path);
    capture_to(reader, writer);         /* not opened for appending */
    log_info(NULL, "first");
    dprintf(STDERR_FILENO, "second\n");
    log_info(NULL, "third");
    text = strstr(captured(), "] first\nsecond\n");
    assert_non_null(text);
    assert_non_null(strstr(text, "] third\n"));
}

/* Logs until nothing fits, reads, logs again: the gap is told before the next line. */
static void
assert_gap_is_told(void)
{
    uint64_t before = log_dropped();
    char notice[64];
    uint64_t dropped;
    const char *text;

    for (int i = 0; i < 100000 && log_dropped() < before + 5; i++)
        log_info("app", "a line that nobody reads, number %d", i);
    dropped = log_dropped() - before;
    assert_int_equal(dropped, 5);
    text = captured();
    assert_int_equal(text[strlen(text) - 1], '\n');
    assert_null(strstr(text, "dropped"));

    log_info(NULL, "again");
    text = captured();
    snprintf(notice, sizeof notice, "] 5 log lines were dropped\n");
    assert_non_null(strstr(text, notice));
    assert_non_null(strstr(strstr(text, notice), "] again\n"));
    log_info(NULL, "again");
    assert_null(strstr(captured(), "dropped"));
    assert_int_equal(log_dropped() - before, 5);
}

static void
a_full_pipe_drops_lines_and_says_so_later(void **state)
{
    capture_to_pipe();
    assert_gap_is_told();
}

static void
a_full_socket_drops_lines_and_says_so_later(void **state)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    capture_to(fds[0], fds[1]);
    assert_gap_is_told();
    assert_false(fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK);
}

static void
a_reader_that_is_gone_only_costs_the_lines(void **state)
{
    uint64_t before = log_dropped();
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    capture_to(dup(fds[0]), fds[1]);
    close(fds[0]);
    close(capture.reader);
    log_info(NULL, "to nobody");        /* no SIGPIPE */
    assert_int_equal(log_dropped(), before + 1);
    capture.reader = dup(STDOUT_FILENO);
    capture_end(state);

    capture_to_pipe();
    log_info(NULL, "to somebody");
    assert_non_null(strstr(captured(), "] 1 log line was dropped\n"));
}

enum { THREADS = 4, LINES = 100 };

static void *
log_lines(void *number)
{
    for (int i = 0; i < LINES; i++) {
        log_info("app", "thread %d line %d end", *(int *)number, i);
        log_set_level(i % 2 == 0 ? LOG_INFO : LOG_DEBUG);
    }
    return NULL;
}

static void
lines_of_several_threads_stay_whole(void **state)
{
    pthread_t threads[THREADS];
    int numbers[THREADS];
    int lines = 0;

    capture_to_pipe();
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, log_lines, &numbers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    captured();
    for (char *line = strtok(capture.text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        size_t chars = strlen(line);

        assert_non_null(strstr(line, "] app: thread "));
        assert_string_equal(line + chars - 4, " end");
        lines++;
    }
    assert_int_equal(lines, THREADS * LINES);
}

static void
levels_have_names(void **state)
{
    enum log_level level = LOG_DEBUG;

    for (int i = 0; i < LOG_LEVELS; i++) {
        assert_int_equal(log_level_parse(log_level_name((enum log_level)i), &level), 0);
        assert_int_equal(level, i);
    }
    assert_int_equal(log_level_parse("warning", &level), -EINVAL);
    assert_int_equal(log_level_parse("", &level), -EINVAL);
    assert_int_equal(log_level_parse("INFO", &level), -EINVAL);
}

#define CAPTURED(test) cmocka_unit_test_teardown(test, capture_end)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CAPTURED(a_text_line_names_the_process_and_the_app),
        CAPTURED(a_json_line_is_one_object),
        CAPTURED(bytes_of_others_cannot_end_a_line_or_reach_the_terminal),
        CAPTURED(json_stays_json_and_utf8_whatever_the_message),
        CAPTURED(a_line_too_long_is_cut),
        CAPTURED(only_the_wanted_levels_are_written),
        CAPTURED(errno_survives),
        CAPTURED(a_writer_of_the_same_pipe_is_not_made_non_blocking),
        CAPTURED(a_file_gets_all_that_is_printed_in_its_order),
        CAPTURED(a_full_pipe_drops_lines_and_says_so_later),
        CAPTURED(a_full_socket_drops_lines_and_says_so_later),
        CAPTURED(a_reader_that_is_gone_only_costs_the_lines),
        CAPTURED(lines_of_several_threads_stay_whole),
        cmocka_unit_test(levels_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
