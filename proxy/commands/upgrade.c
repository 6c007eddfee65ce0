/*
 * fproxy upgrade - the supervisor becomes the installed binary; waits until nothing of the
 * one before serves any more.
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "proxy/commands/ask.h"
#include "proxy/commands/command.h"

enum {
    TRIAL_TIMEOUT_MS = 30000,   /* the trial, its end, and what waits to be written */
    PATIENCE_MS = 60000,        /* without any progress */
    POLL_MS = 50,
    NAMES_MAX = 8,              /* of apps in a message */
};

/* What is of before, at the last look. */
struct left {
    bool answered;              /* by the one that took over, as far as can be seen */
    size_t apps;                /* whose worker is ... */
    size_t given_up;            /* ... and stays: the new one could not take over */
    bool prober;
    bool no_prober;             /* none is there that takes orders ... */
    bool prober_loops;          /* ... and those that start keep ending */
};

static error_t
parse_option(int key, char *arg, struct argp_state *state)
{
    if (key == ARGP_KEY_ARG)
        argp_error(state, "`%s' is too much: upgrade takes no argument", arg);
    return command_place_option(key, arg, state, state->input);
}

/* ---- comparing two answers ---- */

static json_int_t
pid_of(const json_t *object, const char *key)
{
    return answer_number(json_object_get(object, key), "pid");
}

/* {"web": pid, ...} of those that have a worker. */
static json_t *
worker_pids(const json_t *status)
{
    json_t *pids = json_object();
    const json_t *app;
    size_t i;

    json_array_foreach(json_object_get(status, "apps"), i, app) {
        json_int_t pid = pid_of(app, "worker");

        if (pid != 0)
            json_object_set_new(pids, answer_text(app, "name"), json_integer(pid));
    }
    return pids;
}

static bool
is_of_before(const json_t *pids_before, const json_t *app)
{
    json_int_t before = answer_number(pids_before, answer_text(app, "name"));

    return before != 0 && before == pid_of(app, "worker");
}

static size_t
count_of_before(const json_t *pids_before, const json_t *status, bool given_up_only)
{
    const json_t *app;
    size_t i, count = 0;

    json_array_foreach(json_object_get(status, "apps"), i, app)
        count += is_of_before(pids_before, app) &&
                 (!given_up_only ||
                  json_is_true(json_object_get(json_object_get(app, "worker"), "outdated")));
    return count;
}

static int
by_number(const void *a, const void *b)
{
    json_int_t left = *(const json_int_t *)a, right = *(const json_int_t *)b;

    return left < right ? -1 : left > right;
}

/* Several apps may share a worker. */
static size_t
count_different(json_t *pids)
{
    json_int_t *numbers = calloc(json_object_size(pids) + 1, sizeof *numbers);
    size_t count = 0, different = 0;
    const char *name;
    json_t *pid;

    if (numbers == NULL)
        return json_object_size(pids);
    json_object_foreach(pids, name, pid)
        numbers[count++] = json_integer_value(pid);
    qsort(numbers, count, sizeof *numbers, by_number);
    for (size_t i = 0; i < count; i++)
        different += i == 0 || numbers[i] != numbers[i - 1];
    free(numbers);
    return different;
}

/* ---- waiting ---- */

static json_int_t
uptime_of(const json_t *status)
{
    return answer_number(json_object_get(status, "supervisor"), "uptime_s");
}

/* Its process id stays the same; its time begins anew. Between the two nobody answers. */
static bool
took_over(const json_t *before, const json_t *now, bool was_away)
{
    return was_away || uptime_of(now) < uptime_of(before) ||
           strcmp(answer_text(now, "version"), answer_text(before, "version")) != 0;
}

static void
look(const json_t *before, const json_t *pids, const json_t *now, bool was_away,
     struct left *left)
{
    json_int_t prober = pid_of(before, "prober");

    left->answered = left->answered || took_over(before, now, was_away);
    left->apps = count_of_before(pids, now, false);
    left->given_up = count_of_before(pids, now, true);
    left->prober = prober != 0 && prober == pid_of(now, "prober");
    left->no_prober = !answer_has_prober(now);
    left->prober_loops =
        json_is_true(json_object_get(json_object_get(now, "prober"), "crash_loop"));
    if (!left->prober && left->apps == 0 && prober != 0)
        left->answered = true;
}

static bool
is_over(const struct left *left)
{
    return left->answered && left->apps == 0 && !left->prober && !left->no_prober;
}

/* Nothing more will come of it: the prober is the last that is replaced. */
static bool
is_hopeless(const struct left *left)
{
    return left->answered && left->apps == left->given_up && !left->prober &&
           left->no_prober == left->prober_loops;
}

static bool
is_less(const struct left *left, const struct left *last)
{
    return left->apps < last->apps || left->answered != last->answered ||
           left->prober != last->prober || left->no_prober != last->no_prober;
}

/* The last answer (the caller's) and what is left; NULL: nobody answers any more. */
static json_t *
wait_for_end(const struct asked *asked, const json_t *before, const json_t *pids,
             struct left *left)
{
    uint64_t deadline_ms = clock_monotonic_ms() + PATIENCE_MS;
    json_t *last = NULL;
    bool was_away = false;

    *left = (struct left){ .apps = json_object_size(pids), .prober = true };
    while (!is_over(left) && !is_hopeless(left) && clock_monotonic_ms() < deadline_ms) {
        struct left was = *left;
        json_t *now = NULL;
        int status, rc;

        poll(NULL, 0, POLL_MS);
        rc = ask_quietly(asked, "GET", "/v1/status", ASK_TIMEOUT_MS, &status, &now);
        json_decref(last);
        last = now;
        if (rc < 0) {
            was_away = was_away || rc != -ETIMEDOUT;    /* that: it is busy closing */
            continue;
        }
        look(before, pids, now, was_away, left);
        if (is_less(left, &was))
            deadline_ms = clock_monotonic_ms() + PATIENCE_MS;
    }
    return last;
}

/* ---- telling ---- */

static void
tell_no_prober(const char *command, const json_t *now)
{
    const char *last_end = answer_text(json_object_get(now, "prober"), "last_end");

    fprintf(stderr, "%s: the supervisor is the new one, but no prober runs%s%s%s: availability "
                    "stays as it was last known. It is tried again; its log tells why. Install "
                    "one that can run\n", command, last_end[0] != '\0' ? " (the last one: " : "",
            last_end, last_end[0] != '\0' ? ")" : "");
}

static void
tell_of_before(const char *command, const json_t *pids, const json_t *now,
               const struct left *left)
{
    const json_t *app;
    size_t i, named = 0;

    fprintf(stderr, "%s: the supervisor is the new one, but this is still of before:", command);
    if (left->prober)
        fprintf(stderr, " the prober%s", left->apps > 0 ? "," : "");
    if (left->apps > 0)
        fprintf(stderr, " the worker%s of", left->apps == 1 ? "" : "s");
    json_array_foreach(json_object_get(now, "apps"), i, app) {
        if (is_of_before(pids, app) && named++ < NAMES_MAX)
            fprintf(stderr, " %s", answer_text(app, "name"));
    }
    if (named > NAMES_MAX)
        fprintf(stderr, " and %zu more", named - NAMES_MAX);
    fprintf(stderr, "; it serves on, see `fproxy status' and the log\n");
}

static void
tell_left(const char *command, const json_t *pids, const json_t *now, const struct left *left)
{
    if (!left->answered) {
        fprintf(stderr, "%s: the one before is still running; its log tells why\n", command);
        return;
    }
    if (left->apps > 0 || left->prober)
        tell_of_before(command, pids, now, left);
    if (left->no_prober)
        tell_no_prober(command, now);
}

static int
tell_end(const struct asked *asked, const json_t *before, json_t *pids, const json_t *now,
         const struct left *left)
{
    size_t workers = count_different(pids);

    if (now == NULL) {
        fprintf(stderr,
                "%s: the new supervisor does not answer at %s; what was connected is served on. "
                "Look at its log; if it has ended, start `fproxy', which takes over what runs\n",
                asked->command, asked->socket_path);
        return CLI_NO;
    }
    if (!is_over(left)) {
        tell_left(asked->command, pids, now, left);
        return CLI_NO;
    }
    printf("fproxy %s has become %s: %zu worker%s replaced; connections that were open stay "
           "with the ones before until they end\n",
           answer_text(before, "version"), answer_text(now, "version"), workers,
           workers == 1 ? "" : "s");
    return CLI_YES;
}

static int
wait_and_tell(const struct asked *asked, const json_t *before)
{
    json_t *pids = worker_pids(before);
    struct left left;
    json_t *now = wait_for_end(asked, before, pids, &left);
    int status = tell_end(asked, before, pids, now, &left);

    json_decref(now);
    json_decref(pids);
    return status;
}

int
command_upgrade(int argc, char **argv, void *context)
{
    static const struct argp_option rows[] = { OPTION_ROWS_PLACES, { 0 } };
    static const struct argp argp = {
        .options = rows,
        .parser = parse_option,
        .doc = "Let the installed binary take over, without a pause for clients.\vA trial shows "
               "first whether it, its worker and its prober can run; if not, the one that runs "
               "goes on. Workers are replaced one by one; what is connected stays with the old "
               "ones until it ends (handover_timeout). Exit status: 0 done; 1 not, or not all of "
               "it; 2 no supervisor answers.",
    };
    struct asked asked;
    json_t *before, *answer;
    int http_status, status;

    cli_parse(&argp, argc, argv, context);
    ask_open(&asked, argv[0], context);
    before = ask_status(&asked);
    if (before == NULL)
        return CLI_USAGE;
    answer = ask(&asked, "POST", "/v1/upgrade", TRIAL_TIMEOUT_MS, &http_status);
    if (answer == NULL) {
        status = CLI_USAGE;
    } else if (http_status != 202) {
        fprintf(stderr, "%s: %s\n", argv[0], answer_text(answer, "error"));
        status = CLI_NO;
    } else {
        status = wait_and_tell(&asked, before);
    }
    json_decref(answer);
    json_decref(before);
    return status;
}
