/*
 * log - the one place that writes log lines, to standard error.
 *
 * A line is an event: when, how bad, which process, which app, what happened and
 * what to do. It is written without blocking (a log reader that stalls must never
 * stall the data path); what could not be written is counted and told later.
 * Any thread; one line is one write() of at most LOG_LINE_BYTES.
 */
#ifndef FPROXY_BASE_LOG_H
#define FPROXY_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_LEVELS };
enum log_format { LOG_TEXT, LOG_JSON };
enum { LOG_LINE_BYTES = 2048 };

/* Before any thread starts. `process` is "supervisor", "prober" or "worker" and must
 * stay valid. */
void log_init(const char *process);
void log_set_level(enum log_level level);
void log_set_format(enum log_format format);
enum log_level log_get_level(void);
enum log_format log_get_format(void);

/* "error", "warn", "info", "debug"; 0 or -EINVAL. */
int log_level_parse(const char *text, enum log_level *level);
const char *log_level_name(enum log_level level);

/* `app` may be NULL: the message concerns the whole process. */
void log_write(enum log_level level, const char *app, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* Lines that could not be written so far. */
uint64_t log_dropped(void);

bool log_enabled(enum log_level level);

#define log_error(app, ...) log_write(LOG_ERROR, app, __VA_ARGS__)
#define log_warn(app, ...) log_write(LOG_WARN, app, __VA_ARGS__)
#define log_info(app, ...) log_write(LOG_INFO, app, __VA_ARGS__)
#define log_debug(app, ...)                                                                    \
    do {                                                                                       \
        if (UNLIKELY(log_enabled(LOG_DEBUG)))                                                  \
            log_write(LOG_DEBUG, app, __VA_ARGS__);                                            \
    } while (0)

#endif
