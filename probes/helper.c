#include "probes/helper.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/restart.h"
#include "base/util.h"
#include "config/app_probe.h"
#include "probes/child.h"
#include "probes/command_env.h"
#include "probes/plain_text.h"
#include "probes/probe.h"
#include "probes/probe_log.h"
#include "probes/trickle.h"

enum {
    UNREAD_BYTES = 65536,       /* asked, but not read by it, beside what the pipe holds */
    GRACE_MS = 1000,
    CLOSED_MS = 200,            /* from the end of its output to that of its process */
    STRAYS_MAX = 256,           /* answers in a second that nobody waits for */
    IN_VAIN_MAX = 3,            /* checks in a row that got no answer in time */
    ERROR_LINE_BYTES = 512,
};

/* A line that is being read. */
struct gathered {
    char bytes[HELPER_LINE_BYTES];
    size_t held;
};

struct helper {
    const struct app_probe *config;     /* borrowed */
    struct event_base *base;            /* borrowed */
    char app[APP_NAME_BYTES];           /* of the first check: for the log */
    TAILQ_HEAD(, helper_check) checks;  /* under way, oldest first */
    uint64_t next_id;
    uint32_t run;                       /* how often it was started */

    struct child *child;                /* NULL: it does not run */
    uint64_t started_ms;
    uint64_t asked;                     /* checks, of this run */
    uint32_t in_vain;                   /* checks in a row without an answer */
    int to;                             /* its standard input; -1: none */
    struct event writable;
    char *unread;                       /* owned; UNREAD_BYTES */
    size_t unread_bytes;
    struct trickle answers, errors;
    struct gathered answer, error;
    uint32_t strays;                    /* within the second of strays_ms */
    uint64_t strays_ms;

    struct restart restart;
    struct event again;                 /* its wait is over; while it runs: it closed its output */
    enum reason down_reason;            /* while it does not run: why checks fail */
    char down_why[DETAIL_BYTES];
    struct probe_lines told, errors_told;
    uint32_t calling;                   /* we call back from within it */
    bool destroyed;                     /* freed once that is over, by `again` */
};

static void start(struct helper *helper);

/* ---- what is told ---- */

static const char *
program(const struct helper *helper)
{
    return app_probe_more(helper->config)->lists[PROBE_COMMAND].items[0];
}

/* May something be told of it? What floods us must not flood the log. */
static bool
may_tell(const struct helper *helper, struct probe_lines *lines)
{
    int64_t wall_ms = clock_wall_ms();
    uint32_t untold = probe_lines_untold(lines, wall_ms);

    if (untold > 0)
        log_info(helper->app, "%u more lines of its probe's helper were left out", untold);
    return probe_lines_allow(lines, wall_ms);
}

/* ---- its end ---- */

static void
close_ends(struct helper *helper)
{
    if (helper->to >= 0) {
        event_del(&helper->writable);
        close(helper->to);
    }
    helper->to = -1;
    helper->unread_bytes = 0;
    trickle_stop(&helper->answers);
    trickle_stop(&helper->errors);
    helper->answer.held = helper->error.held = 0;
}

static void
answer_check(struct helper *helper, struct helper_check *check,
             const struct helper_answer *answer, enum reason reason, const char *why)
{
    TAILQ_REMOVE(&helper->checks, check, link);
    check->id = 0;
    helper->calling++;
    check->answered(check, answer, reason, why);
    helper->calling--;
}

/* Those of the run that is over. Who is told may ask again at once, which joins the end. */
static void
fail_checks(struct helper *helper, enum reason reason, const char *why)
{
    uint32_t run = helper->run;
    struct helper_check *check;

    while ((check = TAILQ_FIRST(&helper->checks)) != NULL && check->run == run)
        answer_check(helper, check, NULL, reason, why);
}

/* It does not run (any more): it will be started again. Calls back; its caller returns at once. */
static void
down(struct helper *helper, enum reason reason, const char *why)
{
    uint64_t now_ms = clock_monotonic_ms();
    uint32_t wait_ms = restart_delay(&helper->restart, helper->started_ms, now_ms);
    const struct timeval wait = { .tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000 };
    char when[32] = "at once";

    if (wait_ms > 0)
        snprintf(when, sizeof when, "in %u s", wait_ms / 1000);
    close_ends(helper);
    helper->down_reason = reason;
    snprintf(helper->down_why, sizeof helper->down_why, "%s", why);
    if (may_tell(helper, &helper->told))
        log_warn(helper->app, "its probe's helper %s: %s; it is started again %s", program(helper),
                 why, when);
    event_add(&helper->again, &wait);
    fail_checks(helper, reason, why);
}

static void
on_ended(void *context, const struct child_end *end)
{
    struct helper *helper = context;
    char why[DETAIL_BYTES];

    helper->child = NULL;
    if (end->how == CHILD_NOT_STARTED)
        snprintf(why, sizeof why, "%s", end->why);
    else if (end->how == CHILD_EXITED)
        snprintf(why, sizeof why, "the helper ended by itself (exit %d)", end->code);
    else
        snprintf(why, sizeof why, "the helper was killed by SIG%s",
                 sigabbrev_np(end->code) != NULL ? sigabbrev_np(end->code) : "?");
    trickle_drain(&helper->errors);     /* may tell why */
    down(helper, end->how == CHILD_NOT_STARTED ? REASON_EXEC_SPAWN : REASON_EXEC_EXIT, why);
}

/* It did what it must not. Calls back, as down() does. */
static void
end_it(struct helper *helper, enum reason reason, const char *why)
{
    struct child *child = helper->child;

    helper->child = NULL;
    child_leave(child, GRACE_MS);
    down(helper, reason, why);
}

static void
on_again(evutil_socket_t fd, short what, void *context)
{
    struct helper *helper = context;

    if (helper->destroyed)
        free(helper);
    else if (helper->child != NULL)
        end_it(helper, REASON_EXEC_EXIT, "the helper closed its standard output");
    else
        start(helper);
}

/* ---- what it says ---- */

static struct helper_check *
find(const struct helper *helper, uint64_t id)
{
    struct helper_check *check;

    TAILQ_FOREACH (check, &helper->checks, link) {
        if (check->id == id)
            return check;
    }
    return NULL;
}

/* Nobody waits for it (any more). False: there were too many, it was ended. */
static bool
stray(struct helper *helper, const char *why)
{
    uint64_t now_ms = clock_monotonic_ms();

    if (now_ms - helper->strays_ms >= 1000) {
        helper->strays_ms = now_ms;
        helper->strays = 0;
    }
    if (++helper->strays > STRAYS_MAX) {
        end_it(helper, REASON_EXEC_EXIT, "it floods us with answers that nobody asked for");
        return false;
    }
    if (may_tell(helper, &helper->told))
        log_warn(helper->app, "its probe's helper %s said what is no answer: %s", program(helper),
                 why);
    return true;
}

/* False: it was ended meanwhile. */
static bool
take_answer(struct helper *helper, const char *line, size_t length)
{
    uint32_t run = helper->run;
    struct helper_answer answer;
    struct helper_check *check;
    char why[DETAIL_BYTES], text[DETAIL_BYTES];
    int rc = helper_line_read(line, length, &answer, text);

    if (rc == -EBADMSG) {
        snprintf(why, sizeof why, "the helper said what is no JSON: %.120s", text);
        end_it(helper, REASON_EXEC_EXIT, why);
        return false;
    }
    if (rc < 0)
        return stray(helper, text);
    helper->in_vain = 0;
    check = find(helper, answer.id);
    if (check == NULL && answer.id < helper->next_id)
        return stray(helper, "its check is over: it came late, or twice");
    if (check == NULL)
        return stray(helper, "there is no check with this id");
    answer_check(helper, check, &answer, REASON_NONE, "");
    return helper->child != NULL && helper->run == run;
}

/* Adds as much as belongs to one line. True: it is whole, or full, without its newline. */
static bool
gather(struct gathered *line, size_t room, const char **bytes, size_t *length)
{
    const char *newline = memchr(*bytes, '\n', *length);
    size_t until = newline != NULL ? (size_t)(newline - *bytes) : *length;
    size_t taken = MIN(until, room - line->held);
    bool whole = newline != NULL && taken == until;

    memcpy(line->bytes + line->held, *bytes, taken);
    line->held += taken;
    *bytes += taken + whole;
    *length -= taken + whole;
    return whole || line->held == room;
}

static bool
on_answers(void *context, const char *bytes, size_t length)
{
    static const struct timeval closed = { .tv_usec = CLOSED_MS * 1000 };
    struct helper *helper = context;

    if (length == 0)            /* most likely it ends, and its exit status tells more */
        event_add(&helper->again, &closed);
    while (length > 0) {
        size_t held;

        if (!gather(&helper->answer, HELPER_LINE_BYTES, &bytes, &length))
            continue;
        held = helper->answer.held;
        helper->answer.held = 0;
        if (held == HELPER_LINE_BYTES) {
            end_it(helper, REASON_EXEC_EXIT, "the helper said a line of over 4 KB");
            return false;
        }
        if (held > 0 && !take_answer(helper, helper->answer.bytes, held))
            return false;
    }
    return true;
}

static void
tell_error(struct helper *helper)
{
    char text[ERROR_LINE_BYTES];

    plain_text(text, sizeof text, helper->error.bytes, helper->error.held);
    helper->error.held = 0;
    if (text[0] != '\0' && may_tell(helper, &helper->errors_told))
        log_info(helper->app, "its probe's helper %s: %s", program(helper), text);
}

static bool
on_errors(void *context, const char *bytes, size_t length)
{
    struct helper *helper = context;

    if (length == 0)
        tell_error(helper);
    while (length > 0) {
        if (gather(&helper->error, ERROR_LINE_BYTES, &bytes, &length))
            tell_error(helper);
    }
    return true;
}

/* ---- what it is asked ---- */

/* As much as it takes now. 0 or -errno. */
static int
write_some(struct helper *helper)
{
    ssize_t written = write(helper->to, helper->unread, helper->unread_bytes);

    if (written < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    helper->unread_bytes -= (size_t)written;
    memmove(helper->unread, helper->unread + written, helper->unread_bytes);
    return 0;
}

/* What it does not take waits until it does. Should it be broken, its end is told elsewhere. */
static void
pass_on(struct helper *helper)
{
    if (write_some(helper) < 0)
        helper->unread_bytes = 0;
    if (helper->unread_bytes > 0)
        event_add(&helper->writable, NULL);
}

static void
on_writable(evutil_socket_t fd, short what, void *context)
{
    pass_on(context);
}

/* ---- its start ---- */

/* The child's ends are 0, 1 and 2; ours are the helper's then. */
static int
start_child(struct helper *helper, const int *childs, char *why)
{
    const struct app_probe_more *more = app_probe_more(helper->config);
    struct command_env env;
    const struct child_order order = {
        .arguments = more->lists[PROBE_COMMAND].items,
        .count = more->lists[PROBE_COMMAND].count,
        .environment = env.list,
        .user = app_probe_text(helper->config, PROBE_USER),
        .in = childs[0],
        .out = childs[1],
        .err = childs[2],
        .ended = on_ended,
        .context = helper,
    };

    command_env_of_app(&env, helper->app);
    return child_start(helper->base, &order, &helper->child, why);
}

/* Takes the three of `ours`, whatever happens. */
static int
listen_to(struct helper *helper, const int *ours)
{
    int rc;

    helper->to = ours[0];
    event_assign(&helper->writable, helper->base, helper->to, EV_WRITE, on_writable, helper);
    rc = trickle_start(&helper->answers, helper->base, ours[1], on_answers, helper);
    if (rc < 0) {
        close(ours[2]);
        return rc;
    }
    return trickle_start(&helper->errors, helper->base, ours[2], on_errors, helper);
}

static void
close_all(const int *fds)
{
    for (int i = 0; i < 3; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
}

static int
start_with_pipes(struct helper *helper, char *why)
{
    int ours[3] = { -1, -1, -1 }, childs[3] = { -1, -1, -1 };
    int rc = child_pipe_in(&ours[0], &childs[0]);

    for (int i = 1; rc == 0 && i < 3; i++)
        rc = child_pipe_out(&ours[i], &childs[i]);
    if (rc == 0)
        rc = start_child(helper, childs, why);
    close_all(childs);
    if (rc < 0) {
        close_all(ours);
        return rc;
    }
    rc = listen_to(helper, ours);
    if (rc < 0) {
        child_leave(helper->child, 0);
        helper->child = NULL;
    }
    return rc;
}

static void
start(struct helper *helper)
{
    char why[DETAIL_BYTES] = "no memory or descriptors for its pipes";

    helper->run++;
    helper->asked = 0;
    helper->in_vain = 0;
    helper->started_ms = clock_monotonic_ms();
    if (helper->unread == NULL)
        helper->unread = malloc(UNREAD_BYTES);
    if (helper->unread == NULL || start_with_pipes(helper, why) < 0)
        down(helper, REASON_EXEC_SPAWN, why);
}

struct helper *
helper_create(const struct app_probe *config, struct event_base *base)
{
    struct helper *helper = calloc(1, sizeof *helper);

    if (helper == NULL)
        return NULL;
    helper->config = config;
    helper->base = base;
    helper->to = -1;
    helper->next_id = 1;
    TAILQ_INIT(&helper->checks);
    event_assign(&helper->again, base, -1, 0, on_again, helper);
    return helper;
}

void
helper_destroy(struct helper *helper)
{
    assert(TAILQ_EMPTY(&helper->checks));
    event_del(&helper->again);
    close_ends(helper);
    if (helper->child != NULL)
        child_leave(helper->child, GRACE_MS);
    helper->child = NULL;
    free(helper->unread);
    helper->destroyed = true;
    if (helper->calling > 0)
        event_active(&helper->again, EV_TIMEOUT, 1);
    else
        free(helper);
}

/* ---- checks ---- */

static const char over_cpu[] = "the helper uses more CPU time than it may (cpu_time)";

/* Did it use more than its checks so far, and one for its start, may take? */
static bool
is_over_cpu(const struct helper *helper)
{
    uint32_t cpu_ms = app_probe_more(helper->config)->cpu_ms;

    return cpu_ms != 0 && child_cpu_ms(helper->child) > (helper->asked + 1) * cpu_ms;
}

static enum reason
refuse(char *why, enum reason reason, const char *text)
{
    snprintf(why, DETAIL_BYTES, "%s", text);
    return reason;
}

enum reason
helper_ask(struct helper *helper, struct helper_check *check, const struct probe *probe, char *why)
{
    char line[HELPER_LINE_BYTES];
    int length = helper_line_ask(probe, helper->next_id, line);

    assert(check->id == 0);
    if (length < 0)
        return refuse(why, REASON_EXEC_SPAWN, "no memory");
    if (helper->run == 0) {
        snprintf(helper->app, sizeof helper->app, "%s", probe->app);
        start(helper);
    }
    if (helper->child != NULL && is_over_cpu(helper))
        end_it(helper, REASON_EXEC_EXIT, over_cpu);
    if (helper->child == NULL)
        return refuse(why, helper->down_reason, helper->down_why);
    if (helper->unread_bytes + (size_t)length > UNREAD_BYTES)
        return refuse(why, REASON_EXEC_TIMEOUT, "the helper reads nothing: 64 KB wait for it");
    memcpy(helper->unread + helper->unread_bytes, line, (size_t)length);
    helper->unread_bytes += (size_t)length;
    helper->asked++;
    check->id = helper->next_id++;
    check->run = helper->run;
    TAILQ_INSERT_TAIL(&helper->checks, check, link);
    probe_tell(probe, "asked", line, (size_t)length);
    pass_on(helper);
    return REASON_NONE;
}

void
helper_forget(struct helper *helper, struct helper_check *check, bool late)
{
    bool current = check->run == helper->run;

    if (check->id == 0)
        return;
    TAILQ_REMOVE(&helper->checks, check, link);
    check->id = 0;
    if (!late || !current || helper->child == NULL)
        return;
    if (is_over_cpu(helper))
        end_it(helper, REASON_EXEC_EXIT, over_cpu);
    else if (++helper->in_vain >= IN_VAIN_MAX)
        end_it(helper, REASON_EXEC_TIMEOUT, "the helper answers nothing");
}
