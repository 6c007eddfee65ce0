#include "base/sqlite_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/names.h"

enum { BUSY_TIMEOUT_MS = 2000 };

/* "file:PATH?immutable=1", with what a URI gives another meaning escaped. */
static void
immutable_uri(const char *path, char *uri, size_t bytes)
{
    size_t used = (size_t)snprintf(uri, bytes, "file:");

    for (; *path != '\0' && used + sizeof "%00?immutable=1" < bytes; path++)
        used += (size_t)snprintf(uri + used, bytes - used, strchr("?#%", *path) ? "%%%02x" : "%c",
                                 (unsigned char)*path);
    snprintf(uri + used, bytes - used, "?immutable=1");
}

static int
open_and_read(const char *name, int flags, sqlite_file_read_fn *read, void *context, char *why)
{
    sqlite3 *database = NULL;
    int code = sqlite3_open_v2(name, &database, SQLITE_OPEN_READONLY | flags, NULL);

    if (code == SQLITE_OK) {
        sqlite3_busy_timeout(database, BUSY_TIMEOUT_MS);
        code = read(database, context);
    }
    if (code != SQLITE_OK)
        snprintf(why, DETAIL_BYTES, "%s",
                 code == -ENOMEM ? "no memory" : sqlite3_errmsg(database));
    sqlite3_close(database);
    return code;
}

/* SQLite leaves a log and its index beside a database that it has read. Without a log nobody
 * writes, and the file alone is all there is: then nothing else is touched. The same where a
 * reader may not write beside it. */
int
sqlite_file_read(const char *path, sqlite_file_read_fn *read, void *context, char *why)
{
    char wal[PATH_BYTES + 8], uri[PATH_BYTES + 64];
    int code = SQLITE_CANTOPEN;

    if (access(path, F_OK) < 0 && errno == ENOENT)
        return -ENOENT;
    snprintf(wal, sizeof wal, "%s-wal", path);
    immutable_uri(path, uri, sizeof uri);
    if (access(wal, F_OK) == 0)
        code = open_and_read(path, 0, read, context, why);
    if (code == SQLITE_CANTOPEN || code == SQLITE_READONLY)
        code = open_and_read(uri, SQLITE_OPEN_URI, read, context, why);
    return code == SQLITE_OK ? 0 : -EIO;
}
