#include "base/dirs.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/names.h"
#include "base/util.h"

#define TMP_PREFIX "/tmp/fproxy-"

/* Where each kind lies. */
static const struct {
    const char *variable;       /* of the environment */
    const char *of_root;
    const char *xdg;            /* the variable of the XDG base directory */
    const char *in_home;        /* where that is when it is not set; NULL: /tmp/fproxy-UID */
    const char *below;
} places[] = {
    [DIR_STATE] = { "FPROXY_STATE_DIR", "/var/lib/fproxy", "XDG_STATE_HOME", ".local/state",
                    "fproxy" },
    [DIR_RUNTIME] = { "FPROXY_RUNTIME_DIR", "/run/fproxy", "XDG_RUNTIME_DIR", NULL, "fproxy" },
    [DIR_CONFIG] = { "FPROXY_CONFIG_PATH", "/etc/fproxy/conf.d", "XDG_CONFIG_HOME", ".config",
                     "fproxy/conf.d" },
};

static bool
is_set(const char *text)
{
    return text != NULL && text[0] != '\0';
}

static int
checked(int chars)
{
    return chars >= 0 && chars < PATH_BYTES ? 0 : -ENAMETOOLONG;
}

static const char *
home_directory(void)
{
    const char *home = getenv("HOME");
    const struct passwd *user;

    if (is_set(home))
        return home;
    user = getpwuid(geteuid());
    return user != NULL && is_set(user->pw_dir) ? user->pw_dir : NULL;
}

static int
resolve_default(enum dir_kind kind, char *path)
{
    const char *xdg = getenv(places[kind].xdg);
    const char *home;

    if (geteuid() == 0)
        return checked(snprintf(path, PATH_BYTES, "%s", places[kind].of_root));
    if (is_set(xdg) && xdg[0] == '/')   /* the XDG specification: ignore a relative one */
        return checked(snprintf(path, PATH_BYTES, "%s/%s", xdg, places[kind].below));
    if (places[kind].in_home == NULL)
        return checked(snprintf(path, PATH_BYTES, TMP_PREFIX "%u", (unsigned)geteuid()));
    home = home_directory();
    if (home == NULL)
        return -ENOENT;
    return checked(snprintf(path, PATH_BYTES, "%s/%s/%s", home, places[kind].in_home,
                            places[kind].below));
}

int
dirs_resolve(enum dir_kind kind, const char *option, const char *configured, char *path)
{
    const char *environment = getenv(places[kind].variable);
    const char *given = configured;

    if (is_set(environment))
        given = environment;
    if (is_set(option))
        given = option;
    if (is_set(given))
        return checked(snprintf(path, PATH_BYTES, "%s", given));
    return resolve_default(kind, path);
}

/* 1: made; 0: something was there; or -errno. That a file system is read-only matters only
 * where nothing is there. */
static int
make_one(const char *path, mode_t mode)
{
    if (mkdir(path, mode) == 0)
        return 1;
    if (errno == EEXIST || errno == EISDIR)
        return 0;
    if (errno != EROFS)
        return -errno;
    return access(path, F_OK) == 0 ? 0 : -EROFS;
}

/* Creates every directory above the last one. */
static int
make_parents(const char *path, mode_t mode)
{
    char part[PATH_BYTES];

    if (strlen(path) >= sizeof part)
        return -ENAMETOOLONG;
    strcpy(part, path);
    for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        int rc;

        *slash = '\0';
        rc = make_one(part, mode);
        if (rc < 0)
            return rc;
        *slash = '/';
    }
    return 0;
}

static bool
is_ours(uid_t owner)
{
    return owner == geteuid() || owner == 0;
}

/* Opens the directory unless it, or a link that it is, belongs to someone else. */
static int
open_ours(const char *path, int flags)
{
    struct stat stat;
    int fd;

    if (lstat(path, &stat) < 0)
        return -errno;
    if (!is_ours(stat.st_uid))
        return -EPERM;
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &stat) < 0 || !is_ours(stat.st_uid)) {
        close(fd);
        return -EPERM;
    }
    return fd;
}

int
dirs_open(const char *path, unsigned mode)
{
    /* In /tmp anybody may have been here first: no links, nothing for others to read. */
    bool in_tmp = strncmp(path, TMP_PREFIX, strlen(TMP_PREFIX)) == 0;
    mode_t wanted = in_tmp ? 0700 : (mode_t)mode;
    bool created;
    int fd;
    int rc = make_parents(path, wanted);

    if (rc == 0)
        rc = make_one(path, wanted);
    if (rc < 0)
        return rc;
    created = rc > 0;
    fd = open_ours(path, in_tmp ? O_NOFOLLOW : 0);
    if (fd < 0)
        return fd;
    if ((created || in_tmp) && fchmod(fd, wanted) < 0) {        /* whatever the umask is */
        rc = -errno;
        close(fd);
        return rc;
    }
    return fd;
}

int
dirs_socket_path(int dir_fd, const char *name, char *path, size_t path_bytes)
{
    size_t limit = MIN(path_bytes, sizeof(((struct sockaddr_un *)0)->sun_path));
    int chars = snprintf(path, path_bytes, "/proc/self/fd/%d/%s", dir_fd, name);

    return chars >= 0 && (size_t)chars < limit ? 0 : -ENAMETOOLONG;
}
