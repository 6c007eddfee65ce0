#include "config/canonical.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/names.h"

static void
keep_first(void *context, unsigned line, const char *key, const char *message)
{
    struct canonical *canonical = context;

    char where[32] = "";

    if (canonical->problems.count > 1)
        return;
    if (line > 0)
        snprintf(where, sizeof where, "line %u: ", line);
    snprintf(canonical->why, DETAIL_BYTES, "%s%s%s%s", where, key, *key != '\0' ? ": " : "",
             message);
}

int
canonical_open(struct canonical *canonical, const char *text, char *why)
{
    int rc;

    canonical->problems = (struct problems){ .report = keep_first, .context = canonical };
    canonical->why = why;
    rc = document_parse(text, strlen(text), &canonical->problems, &canonical->document);
    if (rc == -ENOMEM)
        snprintf(why, DETAIL_BYTES, "out of memory");
    if (rc < 0)
        return rc;
    canonical->root = document_root(canonical->document);
    return 0;
}

int
canonical_close(struct canonical *canonical, int rc)
{
    document_destroy(canonical->document);
    if (rc == -ENOMEM)
        snprintf(canonical->why, DETAIL_BYTES, "out of memory");
    return rc == 0 && canonical->problems.count > 0 ? -EINVAL : rc;
}
