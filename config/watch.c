#include "config/watch.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/log.h"
#include "base/names.h"
#include "config/files.h"
#include "config/set.h"

enum {
    STEP_NAMES_MAX = 16, /* names that matter in one directory; beyond: all of them */
    LINKS_MAX = 40,      /* of one way, as the kernel has it */
    READS_MAX = 64,      /* at once: who writes without end holds up nothing */
};

#define EVENTS                                                                                 \
    (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_MODIFY | IN_CLOSE_WRITE |        \
     IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

struct watched_dir {
    LIST_ENTRY(watched_dir) link;
    int descriptor; /* of inotify */
    bool kept;      /* found again by this refresh */
    bool every;     /* all names matter */
    size_t name_count;
    char *names[STEP_NAMES_MAX]; /* owned */
};

struct watch {
    char *path; /* owned */
    int fd;     /* -1: none */
    int main;   /* descriptor of the directory itself; -1: none */
    LIST_HEAD(, watched_dir) dirs;
    size_t dir_count;
    bool refused, told; /* by the system, at the last refresh; and the log says so */
    bool plain;         /* a local file system and no links */
    bool grew;          /* something new is watched */
};

struct watch *
watch_create(const char *path)
{
    struct watch *watch = calloc(1, sizeof *watch);

    if (watch == NULL)
        return NULL;
    watch->fd = watch->main = -1;
    LIST_INIT(&watch->dirs);
    watch->path = strdup(path);
    if (watch->path == NULL) {
        free(watch);
        return NULL;
    }
    return watch;
}

static void
forget_names(struct watched_dir *dir)
{
    while (dir->name_count > 0)
        free(dir->names[--dir->name_count]);
}

static void
dir_free(struct watch *watch, struct watched_dir *dir)
{
    LIST_REMOVE(dir, link);
    watch->dir_count--;
    forget_names(dir);
    free(dir);
}

void
watch_destroy(struct watch *watch)
{
    if (watch == NULL)
        return;
    while (!LIST_EMPTY(&watch->dirs))
        dir_free(watch, LIST_FIRST(&watch->dirs));
    if (watch->fd >= 0)
        close(watch->fd);
    free(watch->path);
    free(watch);
}

int
watch_fd(const struct watch *watch)
{
    return watch->fd;
}

bool
watch_is_complete(const struct watch *watch)
{
    return watch->fd >= 0 && watch->main >= 0 && watch->plain && !watch->refused;
}

static void
refuse(struct watch *watch, int error, const char *limit)
{
    watch->refused = true;
    if (watch->told)
        return;
    watch->told = true;
    log_warn(
        NULL,
        "configuration: %s cannot be watched: %s; raise %s (sysctl). Until then changes are "
        "found within 10 s, and at once by `fproxy reload'",
        watch->path, strerror(error), limit);
}

static struct watched_dir *
find(struct watch *watch, int descriptor)
{
    struct watched_dir *dir;

    LIST_FOREACH(dir, &watch->dirs, link)
    {
        if (dir->descriptor == descriptor)
            return dir;
    }
    return NULL;
}

/* A directory that is not there, or not for us to read, is no news: the one above tells. */
static struct watched_dir *
add_dir(struct watch *watch, const char *path)
{
    struct watched_dir *dir;
    int descriptor;

    if (watch->fd < 0)
        return NULL;
    descriptor = inotify_add_watch(watch->fd, path, EVENTS);
    if (descriptor < 0) {
        if (errno == ENOSPC || errno == ENOMEM)
            refuse(watch, errno, "fs.inotify.max_user_watches");
        return NULL;
    }
    dir = find(watch, descriptor);
    if (dir == NULL) {
        dir = watch->dir_count < WATCH_DIRS_MAX ? calloc(1, sizeof *dir) : NULL;
        if (dir == NULL) {
            watch->refused = true; /* that many: the sweeps will do */
            inotify_rm_watch(watch->fd, descriptor);
            return NULL;
        }
        dir->descriptor = descriptor;
        LIST_INSERT_HEAD(&watch->dirs, dir, link);
        watch->dir_count++;
        watch->grew = true;
    }
    dir->kept = true;
    return dir;
}

/* In `directory`, what happens to `name` matters. */
static void
add_step(struct watch *watch, const char *directory, const char *name)
{
    struct watched_dir *dir = add_dir(watch, directory);

    if (dir == NULL || dir->every)
        return;
    for (size_t i = 0; i < dir->name_count; i++)
        if (strcmp(dir->names[i], name) == 0)
            return;
    dir->every = dir->name_count == STEP_NAMES_MAX ||
                 (dir->names[dir->name_count] = strdup(name)) == NULL;
    dir->name_count += !dir->every;
}

/* The way that is left, and the place that was reached, free of links. */
struct way {
    char left[PATH_BYTES], at[PATH_BYTES];
    unsigned links;
};

/* Takes the next name off; false at the end of the way. */
static bool
next_name(struct way *way, char name[NAME_MAX + 1])
{
    const char *from = way->left + strspn(way->left, "/");
    size_t bytes = strcspn(from, "/");

    if (bytes == 0 || bytes > NAME_MAX)
        return false;
    memcpy(name, from, bytes);
    name[bytes] = '\0';
    from += bytes;
    memmove(way->left, from, strlen(from) + 1);
    return true;
}

/* The way goes on where the link `path` leads; false when it leads nowhere. */
static bool
take_link(struct way *way, const char *path)
{
    char target[PATH_BYTES], left[PATH_BYTES];
    ssize_t bytes = readlink(path, target, sizeof target - 1);

    if (bytes <= 0 || ++way->links > LINKS_MAX)
        return false;
    target[bytes] = '\0';
    if (target[0] == '/')
        strcpy(way->at, "/");
    if (snprintf(left, sizeof left, "%s/%s", target, way->left) >= (int)sizeof left)
        return false;
    strcpy(way->left, left);
    return true;
}

static bool
is_last(const struct way *way)
{
    return way->left[strspn(way->left, "/")] == '\0';
}

/* Each directory in which a step of this way may come to lead elsewhere: where its links lie,
 * where its end lies, and the place where it breaks off. */
static void
follow(struct watch *watch, const char *path)
{
    struct way way = { .at = "/" };
    char name[NAME_MAX + 1], here[PATH_BYTES];
    struct stat stat;

    if (snprintf(way.left, sizeof way.left, "%s", path) >= (int)sizeof way.left)
        return;
    while (next_name(&way, name)) {
        bool there;

        if (snprintf(here, sizeof here, "%s%s%s", way.at, way.at[1] != '\0' ? "/" : "", name) >=
            (int)sizeof here)
            return;
        there = lstat(here, &stat) == 0;
        if (!there || S_ISLNK(stat.st_mode) || is_last(&way))
            add_step(watch, way.at, name);
        if (!there)
            return;
        if (!S_ISLNK(stat.st_mode))
            strcpy(way.at, here);
        else if (!take_link(&way, here))
            return;
    }
}

static bool
is_local(const char *path)
{
    static const unsigned long local[] = { EXT4_SUPER_MAGIC,  XFS_SUPER_MAGIC,
                                           BTRFS_SUPER_MAGIC, TMPFS_MAGIC,
                                           RAMFS_MAGIC,       OVERLAYFS_SUPER_MAGIC,
                                           F2FS_SUPER_MAGIC,  0x2fc12fc1 /* ZFS */ };
    struct statfs fs;

    if (statfs(path, &fs) < 0)
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(local); i++)
        if ((unsigned long)fs.f_type == local[i])
            return true;
    return false;
}

static void
open_inotify(struct watch *watch)
{
    if (watch->fd >= 0)
        return;
    watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (watch->fd < 0)
        refuse(watch, errno, "fs.inotify.max_user_instances, or the limit of open files,");
}

static void
forget_unkept(struct watch *watch)
{
    struct watched_dir *dir = LIST_FIRST(&watch->dirs), *next;

    for (; dir != NULL; dir = next) {
        next = LIST_NEXT(dir, link);
        if (dir->kept)
            continue;
        inotify_rm_watch(watch->fd, dir->descriptor); /* it may be gone already */
        dir_free(watch, dir);
    }
}

bool
watch_refresh(struct watch *watch, const struct config_set *set)
{
    struct watched_dir *dir;
    const char *file;
    size_t at = 0;

    watch->refused = watch->grew = false;
    open_inotify(watch);
    LIST_FOREACH(dir, &watch->dirs, link)
    {
        dir->kept = dir->every = false;
        forget_names(dir);
    }
    follow(watch, watch->path);
    dir = add_dir(watch, watch->path);
    watch->main = dir != NULL ? dir->descriptor : -1;
    watch->plain = dir != NULL && is_local(watch->path);
    while ((file = config_set_link(set, &at)) != NULL) {
        watch->plain = false;
        follow(watch, file);
    }
    forget_unkept(watch);
    watch->told = watch->told && watch->refused;
    return watch->grew;
}

static void
see_name(struct watch_seen *seen, const char *name)
{
    for (size_t i = 0; i < seen->name_count; i++)
        if (strcmp(seen->names[i], name) == 0)
            return;
    if (seen->name_count == WATCH_NAMES_MAX)
        seen->all = true;
    else
        snprintf(seen->names[seen->name_count++], sizeof seen->names[0], "%s", name);
}

/* Does it matter in a directory that the way leads through? */
static bool
is_step(const struct watched_dir *dir, const char *name)
{
    for (size_t i = 0; i < dir->name_count; i++)
        if (strcmp(dir->names[i], name) == 0)
            return true;
    return dir->every;
}

/* Editors' temporary files, and neighbours of a directory on the way, are nothing. */
static void
see(struct watch *watch, const struct inotify_event *event, struct watch_seen *seen)
{
    struct watched_dir *dir = find(watch, event->wd);

    if ((event->mask & IN_Q_OVERFLOW) == 0 && dir == NULL)
        return; /* of one that is watched no more */
    if (event->len > 0 && !is_step(dir, event->name)) {
        if (event->wd != watch->main || !file_is_ours(event->name))
            return;
        see_name(seen, event->name);
    } else {
        seen->all = true;
    }
    seen->any = true;
    if (event->mask & IN_IGNORED) /* the kernel has taken it away */
        dir_free(watch, dir);
}

void
watch_drain(struct watch *watch, struct watch_seen *seen)
{
    _Alignas(struct inotify_event) char buffer[16384];

    for (int i = 0; i < READS_MAX; i++) {
        ssize_t bytes = watch->fd < 0 ? 0 : read(watch->fd, buffer, sizeof buffer);

        if (bytes <= 0)
            return;
        for (char *at = buffer; at < buffer + bytes;) {
            const struct inotify_event *event = (const void *)at;

            see(watch, event, seen);
            at += sizeof *event + event->len;
        }
    }
}
