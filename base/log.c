#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

/* How to write without blocking, and without making the descriptor that we share with
 * others (a terminal, our parent's pipe) non-blocking for them. */
enum writing {
    WRITING_POLL,       /* ask first */
    WRITING_SEND,       /* a socket: each call may say so */
    WRITING_OWN,        /* `fd` is an open file description of our own, non-blocking */
};

static struct {
    const char *process;
    enum writing writing;
    int fd;
    _Atomic int level;
    _Atomic int format;
    _Atomic uint64_t dropped;   /* since the start */
    _Atomic uint64_t untold;    /* of these, not yet reported */
} logger = { .fd = STDERR_FILENO, .level = LOG_INFO };

static const char *const level_names[LOG_LEVELS] = { "error", "warn", "info", "debug" };

/* A line as it grows. What does not fit is cut at a character, and "..." says so. */
struct line {
    char text[LOG_LINE_BYTES];
    size_t bytes;
    bool json;
    bool cut;
};

/* Kept free until the end of the line: "...", the quote and brace of JSON, the newline. */
enum { LINE_END_BYTES = 6, FD_MIN = 10 };

static void
line_add(struct line *line, const char *text, size_t bytes)
{
    if (line->cut || bytes > sizeof line->text - LINE_END_BYTES - line->bytes) {
        line->cut = true;
        return;
    }
    memcpy(line->text + line->bytes, text, bytes);
    line->bytes += bytes;
}

static void
line_add_text(struct line *line, const char *text)
{
    line_add(line, text, strlen(text));
}

/* Bytes of the UTF-8 character at `text` (it ends with NUL), 0 when it is not valid. */
static size_t
utf8_bytes(const unsigned char *text)
{
    size_t bytes = text[0] < 0x80 ? 1 : text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;

    if ((text[0] >= 0x80 && text[0] < 0xc2) || text[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < bytes; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    }
    if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xf0 && text[1] < 0x90))
        return 0;               /* longer than needed */
    if ((text[0] == 0xed && text[1] > 0x9f) || (text[0] == 0xf4 && text[1] > 0x8f))
        return 0;               /* a surrogate; beyond U+10FFFF */
    return bytes;
}

/* One byte, or one character up to U+00FF, that must not stand in a line as it is. */
static void
line_add_escape(struct line *line, unsigned char c, bool is_character)
{
    char text[8];

    switch (c) {
    case '\n':
        line_add_text(line, "\\n");
        break;
    case '\r':
        line_add_text(line, "\\r");
        break;
    case '\t':
        line_add_text(line, "\\t");
        break;
    case '"':
        line_add_text(line, "\\\"");
        break;
    case '\\':
        line_add_text(line, "\\\\");
        break;
    default:
        snprintf(text, sizeof text, is_character ? "\\u%04x" : "\\x%02x", c);
        line_add_text(line, text);
    }
}

/* Messages carry what targets and files said: no byte of it may end the line, reach a
 * terminal as a command, or break the JSON. */
static void
line_add_escaped(struct line *line, const char *message)
{
    const unsigned char *c = (const unsigned char *)message;

    while (*c != '\0' && !line->cut) {
        size_t bytes = utf8_bytes(c);
        bool c1_control = bytes == 2 && c[0] == 0xc2 && c[1] < 0xa0;

        if (bytes == 0 && line->json)
            line_add_text(line, "\xef\xbf\xbd");                /* U+FFFD */
        else if (c1_control)
            line_add_escape(line, c[1], true);
        else if (bytes == 0 || *c < 0x20 || *c == 0x7f
                 || (line->json && (*c == '"' || *c == '\\')))
            line_add_escape(line, *c, line->json);
        else
            line_add(line, (const char *)c, bytes);
        c += MAX(bytes, 1);
    }
}

static void
line_begin(struct line *line, enum log_level level, const char *app)
{
    const char *process = logger.process != NULL ? logger.process : "fproxy";
    char time[TIME_TEXT_BYTES];
    char head[128];

    line->bytes = 0;
    line->cut = false;
    line->json = atomic_load_explicit(&logger.format, memory_order_relaxed) == LOG_JSON;
    clock_format_utc(clock_wall_ms(), time);
    snprintf(head, sizeof head,
             line->json ? "{\"time\":\"%s\",\"level\":\"%s\",\"process\":\"%s\",\"pid\":%d"
                        : "%s %s %s[%d]",
             time, level_names[level], process, (int)getpid());
    line_add_text(line, head);
    if (app != NULL) {
        line_add_text(line, line->json ? ",\"app\":\"" : " ");
        line_add_escaped(line, app);
        line_add_text(line, line->json ? "\"" : ":");
    }
    line_add_text(line, line->json ? ",\"message\":\"" : " ");
}

static void
line_end(struct line *line)
{
    const char *end = line->json ? "\"}\n" : "\n";

    if (line->cut) {
        memcpy(line->text + line->bytes, "...", 3);
        line->bytes += 3;
    }
    memcpy(line->text + line->bytes, end, strlen(end));
    line->bytes += strlen(end);
}

static bool
writable_now(int fd)
{
    struct pollfd poll_fd = { .fd = fd, .events = POLLOUT };

    return poll(&poll_fd, 1, 0) == 1 && (poll_fd.revents & POLLOUT) != 0;
}

static bool
line_write(const struct line *line)
{
    ssize_t written;

    if (logger.writing == WRITING_POLL && !writable_now(logger.fd))
        return false;
    do {
        if (logger.writing == WRITING_SEND)
            written = send(logger.fd, line->text, line->bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
        else
            written = write(logger.fd, line->text, line->bytes);
    } while (written < 0 && errno == EINTR);
    return written == (ssize_t)line->bytes;
}

/* Says how many lines are missing, before the first line that is written again. */
static bool
tell_dropped(void)
{
    uint64_t untold = atomic_exchange(&logger.untold, 0);
    struct line line;
    char message[64];

    if (untold == 0)
        return true;
    snprintf(message, sizeof message,
             untold == 1 ? "%" PRIu64 " log line was dropped"
                         : "%" PRIu64 " log lines were dropped", untold);
    line_begin(&line, LOG_WARN, NULL);
    line_add_text(&line, message);
    line_end(&line);
    if (line_write(&line))
        return true;
    atomic_fetch_add(&logger.untold, untold);
    return false;
}

void
log_write(enum log_level level, const char *app, const char *format, ...)
{
    int saved_errno = errno;
    char message[LOG_LINE_BYTES];
    struct line line;
    va_list args;

    if (!log_enabled(level))
        return;
    va_start(args, format);
    if (vsnprintf(message, sizeof message, format, args) < 0)
        message[0] = '\0';
    va_end(args);

    line_begin(&line, level, app);
    line_add_escaped(&line, message);
    line_end(&line);
    if (!tell_dropped() || !line_write(&line)) {
        atomic_fetch_add(&logger.dropped, 1);
        atomic_fetch_add(&logger.untold, 1);
    }
    errno = saved_errno;
}

/* Not as the controlling terminal: children are session leaders without one. */
static int
open_again(void)
{
    int fd = open("/proc/self/fd/2", O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    int high;

    if (fd < 0)
        return -1;
    high = fcntl(fd, F_DUPFD_CLOEXEC, FD_MIN);  /* away from the numbers with a meaning */
    close(fd);
    return high;
}

void
log_init(const char *process)
{
    struct stat stat;
    int own;

    if (logger.writing == WRITING_OWN)
        close(logger.fd);
    logger.process = process;
    logger.fd = STDERR_FILENO;
    logger.writing = WRITING_POLL;
    if (fstat(STDERR_FILENO, &stat) < 0)
        return;
    if (S_ISSOCK(stat.st_mode)) {
        logger.writing = WRITING_SEND;
        return;
    }
    /* A file never blocks, and with a position of our own there we would write over what
     * others print (a sanitizer's report): pipes and terminals only. */
    own = S_ISFIFO(stat.st_mode) || S_ISCHR(stat.st_mode) ? open_again() : -1;
    if (own >= 0) {
        logger.fd = own;
        logger.writing = WRITING_OWN;
    }
}

void
log_set_level(enum log_level level)
{
    atomic_store_explicit(&logger.level, (int)level, memory_order_relaxed);
}

void
log_set_format(enum log_format format)
{
    atomic_store_explicit(&logger.format, (int)format, memory_order_relaxed);
}

enum log_level
log_get_level(void)
{
    return (enum log_level)atomic_load_explicit(&logger.level, memory_order_relaxed);
}

enum log_format
log_get_format(void)
{
    return (enum log_format)atomic_load_explicit(&logger.format, memory_order_relaxed);
}

bool
log_enabled(enum log_level level)
{
    return level <= log_get_level();
}

uint64_t
log_dropped(void)
{
    return atomic_load(&logger.dropped);
}

int
log_level_parse(const char *text, enum log_level *level)
{
    for (size_t i = 0; i < LOG_LEVELS; i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *level = (enum log_level)i;
            return 0;
        }
    }
    return -EINVAL;
}

const char *
log_level_name(enum log_level level)
{
    return (unsigned)level < LOG_LEVELS ? level_names[level] : "";
}
