/*
 * pins - from which text an operator went back (`fproxy rollback`), when the database could not be
 * read at the start. Until it can be, the database itself decides what is good (journal.h), and:
 *
 *   an adopted app, whose files say otherwise --> goes on as it runs, for a minute at most
 *   an app that does not run                  --> begins with its files: there is nothing else
 *
 *   pins_take() --pinned--> the first kind stays as it is; the second steps back, to the last good
 *               --not-----> what runs is recorded as good; who waited gets what its files say
 *
 * The loop's thread only.
 */
#ifndef FPROXY_SUPERVISOR_PINS_H
#define FPROXY_SUPERVISOR_PINS_H

#include <stdbool.h>
#include <stddef.h>

struct app;
struct store_override;
struct supervisor;

/* They cannot be read. Without memory it is as if there were none. */
void pins_begin(struct supervisor *supervisor);

/* Between pins_begin() and pins_take(). */
bool pins_unknown(const struct supervisor *supervisor);

/* An adopted app waits for them (app->refused.presumed): its time begins, if none has before. */
void pins_await(struct supervisor *supervisor);

/* What the database says, after the first change. */
void pins_take(struct supervisor *supervisor, const struct store_override *rows, size_t count);

/* It runs what an operator went back from (app->pin), or is about to: a supervisor was killed in
 * the midst of that. It is done as soon as it can be; asked for twice, it is done once. */
void pins_step_back(struct app *app);

/* The store is another one: it was asked nothing yet. */
void pins_ask_again(struct supervisor *supervisor);

/* Before the store goes. */
void pins_free(struct supervisor *supervisor);

#endif
