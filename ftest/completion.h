/*
 * completion - completion scripts, made from the tables that the parsers use themselves.
 */
#ifndef FPROXY_FTEST_COMPLETION_H
#define FPROXY_FTEST_COMPLETION_H

#include <stdbool.h>
#include <stdio.h>

#include "ftest/commands.h"

/* Writes the script of `program` for "bash", "zsh" or "fish"; false: another shell. */
bool completion_write(FILE *out, const char *program, const struct command_words *commands,
                      const char *shell);

#endif
