/*
 * dialog - what a probe says and hears, without any socket: bytes in, bytes out.
 *
 *   dialog_create(steps of the configuration)           once for an app
 *   dialog_begin() -> dialog_want(): SEND or HEAR -> dialog_sent(), dialog_heard() -> ... -> DONE
 *
 * Bounded: what was heard and not yet matched is at most DIALOG_BYTES_MAX; a target that
 * talks on without saying what is expected is a mismatch then. The prober's loop only.
 */
#ifndef FPROXY_PROBES_DIALOG_H
#define FPROXY_PROBES_DIALOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/steps.h"

enum {
    DIALOG_BYTES_MAX = 4096,
    DIALOG_PIECES_MAX = 128,        /* in which what one step expects may come */
};

struct dialog;

/* `steps` is borrowed, and outlives it. 0 and `*dialog` (NULL: there is nothing to say); -EINVAL: a
 * regular expression that is none; -ENOMEM. */
int dialog_create(const struct app_steps *steps, struct dialog **dialog);
void dialog_destroy(struct dialog *dialog);         /* NULL is fine */

/* One run of it. */
struct dialog_run {
    const struct dialog *dialog;
    uint32_t step;                  /* the present one */
    uint32_t sent;                  /* bytes of it */
    uint32_t held;                  /* bytes that were heard since and are not matched yet */
    uint32_t pieces;                /* heard since the last step */
    char *bytes;                    /* owned: those, DIALOG_BYTES_MAX and a NUL */
};

enum dialog_want { DIALOG_SEND, DIALOG_HEAR, DIALOG_DONE, DIALOG_MISMATCH };

/* 0 or -ENOMEM. */
int dialog_begin(struct dialog_run *run, const struct dialog *dialog);
void dialog_end(struct dialog_run *run);            /* also of one that is all zero */

/* What comes next. */
enum dialog_want dialog_want(const struct dialog_run *run);

/* SEND: the bytes that are left of the step, and that so many of them are sent. */
const char *dialog_to_send(const struct dialog_run *run, size_t *bytes);
void dialog_sent(struct dialog_run *run, size_t bytes);

/* HEAR: where to put what is heard, there is room for at least one byte; and that it is there. */
char *dialog_room(const struct dialog_run *run, size_t *bytes);
void dialog_heard(struct dialog_run *run, size_t bytes);

/* "expected \"+PONG\", heard \"-ERR\"": what the present step lacks, for a message; into `text`,
 * which is returned. */
const char *dialog_lacks(const struct dialog_run *run, char *text, size_t text_bytes);

#endif
