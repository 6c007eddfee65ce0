/* set_read - reads one file of a set: who it is, what it says. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "config/files.h"
#include "config/set_priv.h"

enum { YOUNG_MS = 1000 };

struct file_identity
set_file_identity(const struct stat *stat)
{
    return (struct file_identity){ .device = stat->st_dev,
                                   .inode = stat->st_ino,
                                   .bytes = stat->st_size,
                                   .modified = stat->st_mtim,
                                   .changed = stat->st_ctim };
}

static bool
same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool
set_file_is(const struct set_file *file, const struct file_identity *b)
{
    const struct file_identity *a = &file->identity;

    return a->device == b->device && a->inode == b->inode && a->bytes == b->bytes &&
           same_time(&a->modified, &b->modified) && same_time(&a->changed, &b->changed);
}

/* Times of files are coarse: what is written right after it was read may look the same. */
static bool
is_young(const struct file_identity *identity)
{
    int64_t before_ms = clock_wall_ms() - YOUNG_MS;
    int64_t changed_ms =
        identity->changed.tv_sec * (int64_t)1000 + identity->changed.tv_nsec / 1000000;
    int64_t modified_ms =
        identity->modified.tv_sec * (int64_t)1000 + identity->modified.tv_nsec / 1000000;

    return changed_ms > before_ms || modified_ms > before_ms;
}

static uint64_t
hash_of(const char *text, size_t bytes)
{
    uint64_t hash = 14695981039346656037u;

    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ (unsigned char)text[i]) * 1099511628211u;
    return hash;
}

static void
replace_content(struct config_set *set, struct set_file *file, struct content *content)
{
    if (!set_adopt(set, file, content))
        set->dirty = true;
    content_fini(&file->content);
    file->content = *content;
}

static int
take_text(struct config_set *set, struct set_file *file, const char *text, size_t bytes)
{
    uint64_t hash = hash_of(text, bytes);
    struct content content;
    int rc;

    if (file->content_known && file->text_hash == hash &&
        file->defaults_version == set->defaults_version)
        return 0;
    rc = content_read(&content, file->path, text, bytes, &set->defaults, set->wanted);
    if (rc < 0) {
        content_fini(&content);
        return rc;
    }
    replace_content(set, file, &content);
    free(file->unreadable);
    file->unreadable = NULL;
    file->content_known = true;
    file->text_hash = hash;
    file->defaults_version = set->defaults_version;
    return 0;
}

static int
take_trouble(struct config_set *set, struct set_file *file, const char *why)
{
    struct content content;
    char *copy;
    int rc;

    file->identity = (struct file_identity){ 0 }; /* is tried again at every look */
    file->again_at_ms = 0;
    file->content_known = false;
    file->defaults_version = set->defaults_version;
    if (file->unreadable != NULL && strcmp(file->unreadable, why) == 0)
        return 0;
    copy = strdup(why);
    rc = content_unreadable(&content, file->path, why);
    if (rc < 0 || copy == NULL) {
        content_fini(&content);
        free(copy);
        return -ENOMEM;
    }
    replace_content(set, file, &content);
    free(file->unreadable);
    file->unreadable = copy;
    return 0;
}

/* A file that is young is read once more later; but once, for the clock of a file server may
 * be ahead of ours. */
static void
note_identity(struct set_file *file, const struct stat *stat)
{
    struct file_identity identity = set_file_identity(stat);
    bool once_more = file->again_at_ms != 0 && set_file_is(file, &identity);

    file->identity = identity;
    file->again_at_ms = is_young(&identity) && !once_more ? clock_monotonic_ms() + YOUNG_MS : 0;
}

int
set_file_read(struct config_set *set, struct set_file *file)
{
    char why[DETAIL_BYTES], *text;
    struct stat stat;
    size_t bytes;
    int rc;

    if (file->kept != NULL)
        return take_text(set, file, file->kept, file->kept_bytes);
    text = file_read(file->path, &bytes, &stat, why);
    if (text == NULL)
        return take_trouble(set, file, why);
    note_identity(file, &stat);
    rc = take_text(set, file, text, bytes);
    free(text);
    return rc;
}
