#include "config/ports_told.h"

#include <stdio.h>

#include "config/claims.h"

void
ports_told_begin(struct ports_told *told, struct problems *problems, const char *key)
{
    *told = (struct ports_told){ .problems = problems, .key = key };
}

void
ports_told_end(struct ports_told *told)
{
    char wanted[ADDRESS_TEXT_BYTES], held[ADDRESS_TEXT_BYTES], more[48] = "", line[16] = "";
    const struct port_holder *holder = &told->holder;

    if (!told->open)
        return;
    told->open = false;
    listen_text(&told->first, wanted);
    listen_text(&holder->address, held);
    if (told->more > 0)
        snprintf(more, sizeof more, " (and %u more of this range)", told->more);
    if (holder->line > 0)
        snprintf(line, sizeof line, ":%u", holder->line);
    if (holder->owner == NULL)
        problem_tell(told->problems, told->line, told->key,
                     "%s%s is listed twice in this app, before as %s in line %u", wanted, more,
                     held, holder->line);
    else
        problem_tell(told->problems, told->line, told->key,
                     "%s%s is taken: app \"%s\" listens on %s (%s%s)", wanted, more,
                     holder->app, held, holder->file, line);
}

static bool
continues(const struct ports_told *told, const struct address *wanted, unsigned line,
          const struct port_holder *holder)
{
    return told->open && told->line == line && told->holder.owner == holder->owner &&
           told->holder.line == holder->line &&
           wanted->port == told->first.port + told->more + 1;
}

void
ports_told_add(struct ports_told *told, const struct address *wanted, unsigned line,
               const struct port_holder *holder)
{
    if (continues(told, wanted, line, holder)) {
        told->more++;
        return;
    }
    ports_told_end(told);
    told->open = true;
    told->first = *wanted;
    told->line = line;
    told->more = 0;
    told->holder = *holder;
}
