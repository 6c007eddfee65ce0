#include "proxy/supervisor/port_owner.h"

#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LISTENING = 0x0a, PAUSE_FACTOR = 9 };

/* The inode of a socket that listens on `port` in a table such as /proc/net/tcp; 0: none. Then
 * `*connected` becomes true if a connection has that local port. */
static uint64_t
listening_inode(const char *table, uint16_t port, bool *connected)
{
    uint64_t found = 0;
    char line[512];
    FILE *file = fopen(table, "re");

    if (file == NULL)
        return 0;
    while (found == 0 && fgets(line, sizeof line, file) != NULL) {
        unsigned local_port, state;
        uint64_t inode;

        /* sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode */
        if (sscanf(line, " %*u: %*[0-9A-Fa-f]:%x %*s %x %*s %*s %*s %*s %*s %" SCNu64,
                   &local_port, &state, &inode) != 3 ||
            local_port != port)
            continue;
        if (state == LISTENING)
            found = inode;
        else
            *connected = true;
    }
    fclose(file);
    return found;
}

static bool
process_has(const char *pid, const char *link)
{
    char path[64], target[64];
    struct dirent *entry;
    bool found = false;
    DIR *dir;

    snprintf(path, sizeof path, "/proc/%.20s/fd", pid);
    dir = opendir(path);
    if (dir == NULL)
        return false;
    while (!found && (entry = readdir(dir)) != NULL) {
        ssize_t bytes = readlinkat(dirfd(dir), entry->d_name, target, sizeof target - 1);

        if (bytes > 0) {
            target[bytes] = '\0';
            found = strcmp(target, link) == 0;
        }
    }
    closedir(dir);
    return found;
}

static void
describe(const char *pid, char *text, size_t text_bytes)
{
    char path[64], name[32] = "a process";
    FILE *file;

    snprintf(path, sizeof path, "/proc/%.20s/comm", pid);
    file = fopen(path, "re");
    if (file != NULL) {
        if (fgets(name, sizeof name, file) != NULL)
            name[strcspn(name, "\n")] = '\0';
        fclose(file);
    }
    snprintf(text, text_bytes, "%s (pid %s)", name, pid);
}

bool
port_owner_find(uint16_t port, char *text, size_t text_bytes)
{
    bool found = false, connected = false;
    uint64_t inode = listening_inode("/proc/net/tcp6", port, &connected);
    struct dirent *entry;
    char link[64];
    DIR *proc;

    if (inode == 0)
        inode = listening_inode("/proc/net/tcp", port, &connected);
    if (inode == 0 && connected)
        snprintf(text, text_bytes, "a connection, as its local port (its last minute is TIME-WAIT; "
                                   "see sysctl net.ipv4.ip_local_reserved_ports)");
    if (inode == 0)
        return connected;
    snprintf(link, sizeof link, "socket:[%" PRIu64 "]", inode);
    proc = opendir("/proc");
    if (proc == NULL)
        return false;
    while (!found && (entry = readdir(proc)) != NULL) {
        if (isdigit((unsigned char)entry->d_name[0]) && process_has(entry->d_name, link)) {
            describe(entry->d_name, text, text_bytes);
            found = true;
        }
    }
    closedir(proc);
    return found;
}

bool
port_owner_may_search(const struct port_owner_pace *pace, uint64_t now_ms)
{
    return now_ms >= pace->next_ms;
}

void
port_owner_searched(struct port_owner_pace *pace, uint64_t began_ms, uint64_t now_ms)
{
    pace->next_ms = now_ms + PAUSE_FACTOR * (now_ms - began_ms);
}
