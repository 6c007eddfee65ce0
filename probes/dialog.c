#include "probes/dialog.h"

#include <assert.h>
#include <errno.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "probes/shown.h"

struct dialog {
    const struct app_steps *steps;  /* borrowed */
    regex_t *regexes;               /* owned; by step, those that are one */
    uint32_t made;                  /* steps that were looked at */
};

/* ---- of an app ---- */

void
dialog_destroy(struct dialog *dialog)
{
    if (dialog == NULL)
        return;
    for (uint32_t i = 0; i < dialog->made; i++) {
        if (dialog->steps->list[i].kind == STEP_EXPECT_REGEX)
            regfree(&dialog->regexes[i]);
    }
    free(dialog->regexes);
    free(dialog);
}

int
dialog_create(const struct app_steps *steps, struct dialog **out)
{
    struct dialog *dialog;

    *out = NULL;
    if (steps->count == 0)
        return 0;
    dialog = calloc(1, sizeof *dialog);
    if (dialog == NULL)
        return -ENOMEM;
    dialog->steps = steps;
    dialog->regexes = calloc(steps->count, sizeof *dialog->regexes);
    for (; dialog->regexes != NULL && dialog->made < steps->count; dialog->made++) {
        const struct app_step *step = &steps->list[dialog->made];

        if (step->kind == STEP_EXPECT_REGEX &&
            regcomp(&dialog->regexes[dialog->made], step->bytes, REG_EXTENDED) != 0) {
            dialog_destroy(dialog);
            return -EINVAL;
        }
    }
    if (dialog->regexes == NULL) {
        free(dialog);
        return -ENOMEM;
    }
    *out = dialog;
    return 0;
}

/* ---- a run ---- */

int
dialog_begin(struct dialog_run *run, const struct dialog *dialog)
{
    *run = (struct dialog_run){ .dialog = dialog, .bytes = malloc(DIALOG_BYTES_MAX + 1) };
    if (run->bytes == NULL)
        return -ENOMEM;
    run->bytes[0] = '\0';
    return 0;
}

void
dialog_end(struct dialog_run *run)
{
    free(run->bytes);
    *run = (struct dialog_run){ 0 };
}

static const struct app_step *
step_of(const struct dialog_run *run)
{
    assert(run->step < run->dialog->steps->count);
    return &run->dialog->steps->list[run->step];
}

enum dialog_want
dialog_want(const struct dialog_run *run)
{
    if (run->step == run->dialog->steps->count)
        return DIALOG_DONE;
    if (step_of(run)->kind == STEP_SEND)
        return DIALOG_SEND;
    return run->held < DIALOG_BYTES_MAX && run->pieces < DIALOG_PIECES_MAX ? DIALOG_HEAR
                                                                            : DIALOG_MISMATCH;
}

const char *
dialog_to_send(const struct dialog_run *run, size_t *bytes)
{
    *bytes = step_of(run)->length - run->sent;
    return step_of(run)->bytes + run->sent;
}

/* Where what the step expects ends; 0: it is not there. */
static size_t
find(const struct dialog_run *run)
{
    const struct app_step *step = step_of(run);
    regmatch_t match = { .rm_so = 0, .rm_eo = (regoff_t)run->held };
    const char *found;

    if (step->kind == STEP_EXPECT) {
        found = memmem(run->bytes, run->held, step->bytes, step->length);
        return found != NULL ? (size_t)(found - run->bytes) + step->length : 0;
    }
    if (run->held == 0 || regexec(&run->dialog->regexes[run->step], run->bytes, 1, &match,
                                  REG_STARTEND) != 0)
        return 0;
    return (size_t)MAX(match.rm_eo, 1);     /* one that matches nothing takes what is there */
}

/* Goes on to what follows, as far as what is held says it. */
static void
match(struct dialog_run *run)
{
    size_t end;

    while (run->step < run->dialog->steps->count && step_of(run)->kind != STEP_SEND &&
           (end = find(run)) > 0) {
        run->held -= (uint32_t)end;
        memmove(run->bytes, run->bytes + end, (size_t)run->held + 1);
        run->step++;
        run->pieces = 0;
    }
}

void
dialog_sent(struct dialog_run *run, size_t bytes)
{
    assert(bytes <= step_of(run)->length - run->sent);
    run->sent += (uint32_t)bytes;
    if (run->sent < step_of(run)->length)
        return;
    run->sent = run->held = run->pieces = 0;    /* what was heard before is no answer */
    run->step++;
}

char *
dialog_room(const struct dialog_run *run, size_t *bytes)
{
    *bytes = DIALOG_BYTES_MAX - run->held;
    return run->bytes + run->held;
}

void
dialog_heard(struct dialog_run *run, size_t bytes)
{
    assert(bytes <= DIALOG_BYTES_MAX - run->held);
    run->held += (uint32_t)bytes;
    run->pieces++;
    run->bytes[run->held] = '\0';
    match(run);
}

/* ---- messages ---- */

const char *
dialog_lacks(const struct dialog_run *run, char *text, size_t text_bytes)
{
    char wanted[SHOWN_CHARACTERS], heard[SHOWN_CHARACTERS];
    const struct app_step *step = step_of(run);

    shown(wanted, step->bytes, step->length);
    shown(heard, run->bytes, run->held);
    if (run->held == 0)
        snprintf(text, text_bytes, "expected \"%s\", heard nothing", wanted);
    else
        snprintf(text, text_bytes, "expected \"%s\", heard \"%s\"", wanted, heard);
    return text;
}
