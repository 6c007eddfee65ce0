/*
 * fproxy stop - ends the supervisor and waits until it is gone. Without one, it ends what a
 * killed supervisor left behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/log.h"
#include "proxy/commands/command.h"
#include "proxy/supervisor/leftovers.h"
#include "proxy/supervisor/lock.h"
#include "proxy/supervisor/places.h"

enum {
    LEFTOVER_PATIENCE_MS = 2000,
    SILENT_MS = 2000,           /* of waiting, before it is told */
    UNSIGNED_TRIES = 20,        /* a supervisor that has just begun has not signed yet */
    UNSIGNED_WAIT_MS = 50,
};

static error_t
parse_option(int key, char *arg, struct argp_state *state)
{
    if (key == ARGP_KEY_ARG)
        argp_error(state, "`%s' is too much: stop takes no argument", arg);
    return command_place_option(key, arg, state, state->input);
}

static int
not_running(const char *runtime_dir)
{
    fprintf(stderr,
            "fproxy stop: no supervisor runs in %s; if it runs elsewhere, name its directory "
            "with --runtime-dir\n",
            runtime_dir);
    return CLI_USAGE;
}

/* The lock is ours: whoever is still there has no supervisor. */
static int
end_leftovers(int runtime_fd, const char *runtime_dir)
{
    unsigned ended = leftovers_end_children(runtime_fd, LEFTOVER_PATIENCE_MS, NULL, NULL);

    leftovers_unlink(runtime_fd, NULL, NULL);
    lock_unsign(runtime_fd);
    if (ended == 0)
        return not_running(runtime_dir);
    printf("ended %u processes that a killed supervisor had left\n", ended);
    return CLI_YES;
}

/* As lock_take(), but waits a little for the holder to tell who it is. */
static int
take_lock(int fd, struct process_id *holder)
{
    int rc = lock_take(fd, holder);

    for (int i = 0; rc == -EWOULDBLOCK && holder->pid == 0 && i < UNSIGNED_TRIES; i++) {
        poll(NULL, 0, UNSIGNED_WAIT_MS);
        rc = lock_take(fd, holder);
    }
    return rc;
}

static int
end_supervisor(const struct process_id *holder)
{
    struct pollfd ended = { .fd = process_id_open(holder), .events = POLLIN };

    if (ended.fd < 0) {
        fprintf(stderr,
                "fproxy stop: the directory is locked, but its holder (pid %d) is not found: "
                "is it in another container or namespace? Stop it there\n",
                (int)holder->pid);
        return CLI_USAGE;
    }
    if (pidfd_send_signal(ended.fd, SIGTERM, NULL, 0) < 0) {
        fprintf(stderr, "fproxy stop: pid %d cannot be signalled: %s\n", (int)holder->pid,
                strerror(errno));
        close(ended.fd);
        return CLI_USAGE;
    }
    if (poll(&ended, 1, SILENT_MS) == 0) {
        fprintf(stderr, "pid %d stops; its connections have up to their drain_timeout to "
                        "end...\n", (int)holder->pid);
        while (poll(&ended, 1, -1) < 0 && errno == EINTR)
            ;
    }
    close(ended.fd);
    printf("stopped pid %d\n", (int)holder->pid);
    return CLI_YES;
}

int
command_stop(int argc, char **argv, void *context)
{
    static const struct argp_option rows[] = { OPTION_ROWS_PLACES, { 0 } };
    static const struct argp argp = {
        .options = rows,
        .parser = parse_option,
        .doc = "Stop the supervisor and wait until it ended.\vConnections get up to their "
               "app's drain_timeout to end. Without a supervisor, processes that a killed one "
               "left behind are ended. Exit status: 0 stopped, 2 nothing to stop.",
    };
    struct process_id holder;
    struct places places;
    int fd, rc, status;

    cli_parse(&argp, argc, argv, context);
    rc = places_look_up(context, &places);
    if (rc < 0)
        cli_usage_error(argv[0], "no runtime directory is known: %s", strerror(-rc));
    log_init("stop");
    fd = open(places.runtime_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return not_running(places.runtime_dir);
    if (fd < 0) {
        fprintf(stderr, "fproxy stop: %s: %s\n", places.runtime_dir, strerror(errno));
        return CLI_USAGE;
    }
    rc = take_lock(fd, &holder);
    if (rc == 0)
        status = end_leftovers(fd, places.runtime_dir);
    else
        status = end_supervisor(&holder);
    close(fd);
    return status;
}
