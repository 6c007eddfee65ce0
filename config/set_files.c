/* set_files - which files there are, and reading those that changed. A look at a directory
 * costs one stat a file; thousands of files are some milliseconds. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "config/files.h"
#include "config/set_priv.h"

static void
file_free(struct set_file *file)
{
    content_fini(&file->content);
    free(file->unreadable);
    free(file->kept);
    free(file->path);
    free(file);
}

void
set_files_free(struct config_set *set)
{
    HASH_CLEAR(hh, set->files_by_name);
    for (size_t i = 0; i < set->file_count; i++)
        file_free(set->files[i]);
    free(set->files);
}

static bool
room_for_one(struct config_set *set)
{
    size_t room = set->file_room == 0 ? 16 : set->file_room * 2;
    struct set_file **files;

    if (set->file_count < set->file_room)
        return true;
    files = reallocarray(set->files, room, sizeof *files);
    if (files == NULL)
        return false;
    set->files = files;
    set->file_room = room;
    return true;
}

/* `directory` NULL: `name` is the whole path. NULL without memory. */
static struct set_file *
add_file(struct config_set *set, const char *directory, const char *name)
{
    struct set_file *file;
    char *path;
    int bytes;

    if (!room_for_one(set))
        return NULL;
    bytes = asprintf(&path, "%s%s%s", directory != NULL ? directory : "",
                     directory != NULL && strcmp(directory, "/") != 0 ? "/" : "", name);
    if (bytes < 0)
        return NULL;
    file = calloc(1, sizeof *file);
    if (file == NULL) {
        free(path);
        return NULL;
    }
    file->path = path;
    file->name = path + (size_t)bytes - strlen(name);
    file->due = set->some_due = true;
    set->files[set->file_count++] = file;
    HASH_ADD_KEYPTR(hh, set->files_by_name, file->name, strlen(file->name), file);
    return file;
}

struct set_file *
set_files_find(const struct config_set *set, const char *path)
{
    const char *slash = strrchr(path, '/');
    struct set_file *file = NULL;

    if (slash != NULL)
        HASH_FIND_STR(set->files_by_name, slash + 1, file);
    if (file == NULL)
        HASH_FIND_STR(set->files_by_name, path, file);
    return file != NULL && strcmp(file->path, path) == 0 ? file : NULL;
}

/* A file that was found: is it due to be read? */
static void
inspect(struct config_set *set, struct set_file *file, int directory, uint64_t now_ms)
{
    struct file_identity identity;
    struct stat stat;

    set->seen_count += file->seen_at != set->looks;
    file->seen_at = set->looks;
    if (fstatat(directory, file->name, &stat, 0) < 0) {
        file->due = set->some_due = true;
        return;
    }
    identity = set_file_identity(&stat);
    if (!set_file_is(file, &identity) ||
        (file->again_at_ms != 0 && file->again_at_ms <= now_ms))
        file->due = set->some_due = true;
}

static int
find_in_directory(struct config_set *set, DIR *stream, bool *added)
{
    uint64_t now_ms = clock_monotonic_ms();

    for (;;) {
        struct dirent *entry;
        struct set_file *file;

        errno = 0;
        entry = readdir(stream);
        if (entry == NULL)
            return -errno;
        if (!file_is_ours(entry->d_name))
            continue;
        HASH_FIND_STR(set->files_by_name, entry->d_name, file);
        if (file == NULL) {
            file = add_file(set, set->path, entry->d_name);
            *added = true;
        }
        if (file == NULL)
            return -ENOMEM;
        file->is_link = entry->d_type == DT_LNK || entry->d_type == DT_UNKNOWN;
        inspect(set, file, dirfd(stream), now_ms);
    }
}

/* One file: that it can be opened is checked here, for then nothing at all is known. */
static int
find_one(struct config_set *set)
{
    int fd = open(set->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct set_file *file;
    struct stat stat;

    if (fd < 0)
        return -errno;
    close(fd);
    HASH_FIND_STR(set->files_by_name, set->path, file);
    if (file == NULL)
        file = add_file(set, NULL, set->path);
    if (file == NULL)
        return -ENOMEM;
    file->is_link = lstat(set->path, &stat) == 0 && S_ISLNK(stat.st_mode);
    inspect(set, file, AT_FDCWD, clock_monotonic_ms());
    return 0;
}

static int
path_order(const void *a, const void *b)
{
    return strcmp((*(struct set_file *const *)a)->path, (*(struct set_file *const *)b)->path);
}

static void
move_last_to_its_place(struct config_set *set)
{
    struct set_file *last = set->files[set->file_count - 1];
    size_t at = set->file_count - 1;

    for (; at > 0 && path_order(&last, &set->files[at - 1]) < 0; at--)
        set->files[at] = set->files[at - 1];
    set->files[at] = last;
}

static void
forget_gone(struct config_set *set)
{
    size_t kept = 0;

    for (size_t i = 0; i < set->file_count; i++) {
        struct set_file *file = set->files[i];

        if (!file->gone) {
            set->files[kept++] = file;
            continue;
        }
        HASH_DEL(set->files_by_name, file);
        file_free(file);
        set->dirty = true;
    }
    set->file_count = kept;
}

static void
forget_unseen(struct config_set *set)
{
    if (set->seen_count == set->file_count)
        return;
    for (size_t i = 0; i < set->file_count; i++)
        set->files[i]->gone = set->files[i]->seen_at != set->looks;
    forget_gone(set);
}

/* By open(): TSan does not see opendir(), and takes its descriptor for an earlier one that had
 * the number, in another thread. NULL with errno. */
static DIR *
open_directory(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);

    if (fd >= 0 && stream == NULL) {
        int error = errno;

        close(fd);
        errno = error;
    }
    return stream;
}

static int
find_files(struct config_set *set)
{
    DIR *stream = open_directory(set->path);
    bool added = false;
    int rc;

    if (stream == NULL && errno != ENOTDIR)
        return -errno;
    rc = stream == NULL ? find_one(set) : find_in_directory(set, stream, &added);
    if (stream != NULL)
        closedir(stream);
    if (added)
        qsort(set->files, set->file_count, sizeof *set->files, path_order);
    return rc;
}

/* When the next file stops being young. */
static void
plan_again(struct config_set *set)
{
    set->again_at_ms = 0;
    for (size_t i = 0; i < set->file_count; i++) {
        uint64_t at_ms = set->files[i]->again_at_ms;

        if (at_ms != 0 && (set->again_at_ms == 0 || at_ms < set->again_at_ms))
            set->again_at_ms = at_ms;
    }
}

static int
read_due(struct config_set *set)
{
    int rc = 0;

    if (!set->some_due && set->again_at_ms == 0)
        return 0;
    for (size_t i = 0; i < set->file_count && rc == 0; i++)
        if (set->files[i]->due)
            set->files[i]->due = (rc = set_file_read(set, set->files[i])) < 0;
    set->some_due = rc < 0;
    plan_again(set);
    return rc;
}

int
set_files_look(struct config_set *set)
{
    int rc;

    set->looks++;
    set->seen_count = 0;
    rc = find_files(set);
    if (rc < 0)
        return rc; /* what was seen before stays: it may all come back */
    forget_unseen(set);
    return read_due(set);
}

/* One name of the directory, which may be new, gone, or as it was. 0 or -ENOMEM. */
static int
look_at_name(struct config_set *set, int directory, const char *name)
{
    struct stat stat = { 0 };
    struct set_file *file;

    if (!file_is_ours(name))
        return 0;
    HASH_FIND_STR(set->files_by_name, name, file);
    if (fstatat(directory, name, &stat, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT) {
        if (file != NULL)
            file->gone = true;
        return 0;
    }
    if (file == NULL) {
        file = add_file(set, set->path, name);
        if (file == NULL)
            return -ENOMEM;
        move_last_to_its_place(set);
    }
    file->is_link = S_ISLNK(stat.st_mode);
    inspect(set, file, directory, clock_monotonic_ms());
    return 0;
}

int
set_files_look_at(struct config_set *set, const char *const *names, size_t count)
{
    int directory = open(set->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = 0;

    if (directory < 0)
        return set_files_look(set);
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = look_at_name(set, directory, names[i]);
    close(directory);
    if (rc < 0)
        return rc;
    forget_gone(set);
    return read_due(set);
}

int
set_files_look_young(struct config_set *set, uint64_t now_ms)
{
    for (size_t i = 0; i < set->file_count; i++)
        if (set->files[i]->again_at_ms != 0 && set->files[i]->again_at_ms <= now_ms)
            set->files[i]->due = set->some_due = true;
    return read_due(set);
}

int
set_files_refresh(struct config_set *set)
{
    bool some = false;

    for (size_t i = 0; i < set->file_count; i++) {
        struct set_file *file = set->files[i];

        if (file->defaults_version == set->defaults_version)
            continue;
        if (file->content.app_count > 0)
            some = file->due = set->some_due = true;
        else
            file->defaults_version = set->defaults_version; /* has nothing to do with them */
    }
    if (!some)
        return 0;
    return read_due(set) < 0 ? -ENOMEM : 1;
}

int
set_files_add(struct config_set *set, const char *path, char *text, size_t bytes)
{
    struct set_file *file = add_file(set, NULL, path);

    if (file == NULL) {
        free(text);
        return -ENOMEM;
    }
    file->kept = text;
    file->kept_bytes = bytes;
    file->due = false;
    file->seen_at = set->looks;
    return set_file_read(set, file);
}
