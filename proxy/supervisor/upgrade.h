/*
 * upgrade - another binary takes over, in this process and without a pause for clients.
 *
 *   trial: the installed fproxy, in a process of its own, says that it could, and that its worker
 *          and its prober can run (trial.h; 10 s at most)
 *   exec:  this process becomes it; the locks and listening sockets stay open across
 *   adopt: it finds prober and workers as after a crash (adopt.h)
 *   hand-over: workers are replaced one by one, then the prober
 *
 * A binary that does not pass the trial is given up. One whose exec fails, too: this process
 * goes on. One that starts and says that it cannot executes the old binary again; one that just
 * ends is replaced by its guard (guard.h). The loop's thread only.
 */
#ifndef FPROXY_SUPERVISOR_UPGRADE_H
#define FPROXY_SUPERVISOR_UPGRADE_H

#include <stdbool.h>
#include <sys/types.h>

struct app;
struct supervisor;
struct worker;

/* `error` NULL: the trial was passed, the exec follows when the callback returns. */
typedef void upgrade_tried_fn(void *context, const char *error);

/* Begins with the trial; `done` may be NULL. 0, or -errno (-EALREADY: one is under way). */
int upgrade_begin(struct supervisor *supervisor, upgrade_tried_fn *done, void *context);

/* In the new binary: what the old one left open. To be called before directories are opened. */
void upgrade_inherit(struct supervisor *supervisor);
/* ... and its sockets, when children have been adopted: those nobody reported are kept for the
 * apps that need them, the others closed. */
void upgrade_take_sockets(struct supervisor *supervisor);

/* Replaces the next worker that is of the old binary, when nothing else is under way. */
void upgrade_continue(struct supervisor *supervisor);

/* Replaces `worker` now, whatever other apps are about: it does not serve clients of `app`. False:
 * not yet, for this one is on its way to something. */
bool upgrade_replace(struct worker *worker, const struct app *app);

/* This binary cannot start: the one before takes the process back, if this was an upgrade. */
void upgrade_go_back(struct supervisor *supervisor);

/* Who asked has gone away: it is not called. */
void upgrade_forget(struct supervisor *supervisor, const void *context);

/* Is this process the trial? */
bool upgrade_is_trial(const struct supervisor *supervisor, pid_t pid);

/* The supervisor stops: no other binary takes over. */
void upgrade_cancel(struct supervisor *supervisor);

/* Gives up a trial. */
void upgrade_free(struct supervisor *supervisor);

#endif
