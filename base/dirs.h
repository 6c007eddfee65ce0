/*
 * dirs - where fproxy keeps its state and its runtime files.
 *
 * In this order: the option, the environment (FPROXY_STATE_DIR, FPROXY_RUNTIME_DIR,
 * FPROXY_CONFIG_PATH), the configuration (state_dir, runtime_dir), the default:
 * /var/lib/fproxy, /run/fproxy and /etc/fproxy/conf.d as root, else
 * $XDG_STATE_HOME/fproxy (~/.local/state/fproxy), $XDG_RUNTIME_DIR/fproxy (without it
 * /tmp/fproxy-UID) and $XDG_CONFIG_HOME/fproxy/conf.d (~/.config/fproxy/conf.d).
 */
#ifndef FPROXY_BASE_DIRS_H
#define FPROXY_BASE_DIRS_H

#include <stddef.h>

enum dir_kind { DIR_STATE, DIR_RUNTIME, DIR_CONFIG };

/* `option` and `configured` may be NULL or empty. Writes the path into `path` (PATH_BYTES).
 * 0, -ENAMETOOLONG or -ENOENT (no home directory is known). */
int dirs_resolve(enum dir_kind kind, const char *option, const char *configured, char *path);

/* Creates the directory and what lies above it with `mode`, opens it and checks that it
 * belongs to this user (or root). A descriptor or -errno (-EPERM: someone else's). */
int dirs_open(const char *path, unsigned mode);

/* Writes the sockaddr path of socket `name` in the open directory `dir_fd`, through
 * /proc/self/fd, since a socket's name is limited to 108 bytes. 0 or -ENAMETOOLONG. */
int dirs_socket_path(int dir_fd, const char *name, char *path, size_t path_bytes);

#endif
