#include "proxy/supervisor/report.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/control.h"
#include "base/shared_file.h"
#include "config/app.h"
#include "proxy/supervisor/text.h"

enum { LATER_MAX = 65536 };     /* what a busy prober may say meanwhile */

static void
close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
}

static void
on_app(struct report *report, const struct control_app *about, const int *fds, size_t fd_count)
{
    struct reported *grown = reallocarray(report->generations, report->count + 1,
                                          sizeof *grown);
    struct reported *new;
    size_t bytes;

    if (grown == NULL)
        return;
    report->generations = grown;
    new = &grown[report->count++];
    *new = (struct reported){ .number = about->generation,
                              .board_number = about->board_number,
                              .traffic_number = about->traffic_number,
                              .how = (enum control_report)about->count };
    text_copy(new->app, sizeof new->app, about->app);
    if (fd_count != 1 || sealed_text_read(fds[0], APP_TEXT_BYTES_MAX, &new->text, &bytes) < 0)
        new->text = NULL;
}

/* The sockets of a generation follow it: it is near the end. */
static struct reported *
find(struct report *report, const char *app, uint32_t number)
{
    for (size_t i = report->count; i > 0; i--) {
        struct reported *reported = &report->generations[i - 1];

        if (reported->number == number && strcmp(reported->app, app) == 0 &&
            reported->how == CONTROL_IS_ACCEPTING)
            return reported;
    }
    return NULL;
}

static void
on_sockets(struct report *report, const struct control_sockets *about, const int *fds,
           size_t fd_count)
{
    struct reported *reported = find(report, about->app, about->generation);
    size_t count = reported == NULL ? 0 : reported->socket_count + fd_count;
    int *more_fds = NULL;
    uint16_t *more_ports = NULL;

    if (reported != NULL) {
        more_fds = reallocarray(reported->fds, count, sizeof *more_fds);
        reported->fds = more_fds != NULL ? more_fds : reported->fds;
        more_ports = reallocarray(reported->ports, count, sizeof *more_ports);
        reported->ports = more_ports != NULL ? more_ports : reported->ports;
    }
    if (more_fds == NULL || more_ports == NULL) {
        close_all(fds, fd_count);
        return;
    }
    memcpy(more_fds + reported->socket_count, fds, fd_count * sizeof *fds);
    memcpy(more_ports + reported->socket_count, about->port, fd_count * sizeof *more_ports);
    reported->socket_count = (uint32_t)count;
}

static void
keep(struct report *report, const struct control_message *message)
{
    struct control_message *grown;

    if (report->later_count == LATER_MAX)
        return;
    grown = reallocarray(report->later, report->later_count + 1, sizeof *grown);
    if (grown == NULL)
        return;
    report->later = grown;
    memcpy(&grown[report->later_count++], message, control_bytes(message->type));
}

void
report_on_message(void *context, const struct control_message *message, const int *fds,
                  size_t fd_count)
{
    struct report *report = context;

    if (!report->complete && message->type != CONTROL_PONG)
        *report->heard_ms = clock_monotonic_ms();
    switch (message->type) {
    case CONTROL_REPORT_APP:
        on_app(report, &message->body.app, fds, fd_count);
        close_all(fds, fd_count);
        break;
    case CONTROL_REPORT_SOCKETS:
        on_sockets(report, &message->body.sockets, fds, fd_count);
        break;
    case CONTROL_REPORT_END:
        if (!report->complete)
            --*report->waiting;
        report->complete = true;
        close_all(fds, fd_count);
        break;
    case CONTROL_HELLO:
    case CONTROL_PONG:
        close_all(fds, fd_count);
        break;
    default:
        close_all(fds, fd_count);
        keep(report, message);
        break;
    }
}

void
report_fini(struct report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        struct reported *reported = &report->generations[i];

        close_all(reported->fds, reported->socket_count);
        free(reported->fds);
        free(reported->ports);
        free(reported->text);
    }
    free(report->generations);
    free(report->later);
}
