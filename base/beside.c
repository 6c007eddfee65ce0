#include "base/beside.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/names.h"
#include "base/util.h"

static const char *const places[] = { "", "../libexec/fproxy/" };

/* With the slash; 0 or -errno. */
static int
own_directory(char *directory)
{
    ssize_t bytes = readlink("/proc/self/exe", directory, PATH_BYTES - 1);
    char *slash;

    if (bytes < 0)
        return -errno;
    directory[bytes] = '\0';            /* maybe with " (deleted)" behind its name */
    slash = strrchr(directory, '/');
    if (slash == NULL)
        return -ENOENT;
    slash[1] = '\0';
    return 0;
}

int
beside_find(const char *name, int mode, char *path)
{
    char directory[PATH_BYTES];
    int rc = own_directory(directory);

    path[0] = '\0';
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        if (snprintf(path, PATH_BYTES, "%s%s%s", directory, places[i], name) < PATH_BYTES &&
            access(path, mode) == 0)
            return 0;
    }
    snprintf(path, PATH_BYTES, "%s%s", directory, name);
    return -ENOENT;
}
