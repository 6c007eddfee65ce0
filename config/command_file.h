/*
 * command_file - is there a program where the command of a probe says? Looked at without running
 * it, for `fproxy check` and for the log.
 *
 * A list is run as it stands: its first text is the program, and spaces belong to its name. A
 * single text is taken apart by the shell. Of that only the first word is looked at, and only
 * where it needs no shell to be understood: "$HOME/check", "if", "cd" or "A=1 check" pass.
 *
 * Blocking file access.
 */
#ifndef FPROXY_CONFIG_COMMAND_FILE_H
#define FPROXY_CONFIG_COMMAND_FILE_H

#include <stdbool.h>

#include "config/file_uses.h"

/* Where a name without a slash is looked for: the PATH of commands (probes/command_env.c). They
 * run in the directory /. */
#define COMMAND_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* True when all seems well, or cannot be known by this user; else `why` (PROBLEM_BYTES) says what
 * is wrong and what to write. `use`: FILE_USE_PROGRAM or FILE_USE_SHELL. */
bool command_file_look(const struct file_use *use, char *why);

#endif
