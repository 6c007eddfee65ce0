/*
 * beside - the other files of this installation, found from the running program.
 *
 * They lie beside it (as built, or in libexec themselves), or it is in bin and they are in
 * ../libexec/fproxy. The program may have been replaced or removed since it was started.
 */
#ifndef FPROXY_BASE_BESIDE_H
#define FPROXY_BASE_BESIDE_H

/* Where the file `name` is that this process may access as `mode` says (R_OK, X_OK: access(2)): 0;
 * -ENOENT: nowhere, and `path` (PATH_BYTES) is where it is missed first; -errno without /proc. Any
 * thread. */
int beside_find(const char *name, int mode, char *path);

#endif
