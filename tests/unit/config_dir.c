#include "tests/unit/config_dir.h"

#include <assert.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/names.h"

char *
config_dir_create(void)
{
    char path[] = "/tmp/fproxy-test-set.XXXXXX";

    return mkdtemp(path) != NULL ? strdup(path) : NULL;
}

static int
remove_one(const char *path, const struct stat *stat, int type, struct FTW *walk)
{
    return remove(path);
}

void
config_dir_destroy(char *directory)
{
    nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(directory);
}

const char *
in(const char *directory, const char *name)
{
    static char paths[4][PATH_BYTES];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, PATH_BYTES, "%s/%s", directory, name);
    return path;
}

void
put(const char *directory, const char *name, const char *text)
{
    const char *temporary = in(directory, ".new"), *path = in(directory, name);
    FILE *file = fopen(temporary, "w");

    assert(file != NULL);
    fputs(text, file);
    if (fclose(file) != 0 || rename(temporary, path) != 0)
        abort();
}

void
drop(const char *directory, const char *name)
{
    if (unlink(in(directory, name)) != 0)
        abort();
}

static void
group_told(FILE *stream, const char *name, const struct config_group_item *group)
{
    if (group->changed)
        fprintf(stream, "%s %s%s%s; ", name, group->source != NULL ? group->source : "-",
                group->broken ? " broken" : "", group->replaced ? " replaced" : "");
}

/* Takes `DIRECTORY/` out wherever it stands. */
static void
strip(char *text, const char *directory)
{
    size_t bytes = strlen(directory) + 1;
    char *at;

    while ((at = strstr(text, directory)) != NULL && at[bytes - 1] == '/')
        memmove(at, at + bytes, strlen(at + bytes) + 1);
}

const char *
told(const struct config_change *change, const char *directory)
{
    static char text[65536];
    FILE *stream = fmemopen(text, sizeof text, "w");
    size_t bytes;

    text[0] = '\0'; /* where nothing is written, nothing is ended */
    for (size_t i = 0; i < change->item_count; i++) {
        const struct config_item *item = &change->items[i];

        if (item->op == CONFIG_SET)
            fprintf(stream, "set %s %s; ", item->app, item->source);
        else if (item->op == CONFIG_BROKEN)
            fprintf(stream, "broken %s %s; ", item->app, item->reason);
        else
            fprintf(stream, "gone %s; ", item->app);
    }
    group_told(stream, "daemon", &change->daemon);
    group_told(stream, "defaults", &change->defaults);
    fclose(stream);
    strip(text, directory);
    bytes = strlen(text);
    if (bytes >= 2)
        text[bytes - 2] = '\0';
    return text;
}
