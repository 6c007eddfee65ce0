#include "config/command_file.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/util.h"
#include "config/problem.h"

/* Of a path that ends somewhere in a text; what is longer names nothing. */
struct path {
    char text[PATH_MAX];
};

static bool
path_set(struct path *path, const char *text, size_t length)
{
    if (length >= sizeof path->text)
        return false;
    memcpy(path->text, text, length);
    path->text[length] = '\0';
    return true;
}

/* 0: it may be run, perhaps; else an errno: ENOENT and the like, EISDIR, ENOEXEC (no rights). */
static int
look_at(const char *path)
{
    struct stat file;

    if (stat(path, &file) < 0)
        return errno == EACCES ? 0 : errno;     /* not for us to see; fproxy may be another user */
    if (S_ISDIR(file.st_mode))
        return EISDIR;
    return S_ISREG(file.st_mode) && (file.st_mode & 0111) != 0 ? 0 : ENOEXEC;
}

/* The same of a name without a slash, along COMMAND_PATH, as execvp() does. */
static int
look_along_path(const char *name)
{
    char path[PATH_MAX];
    int found = ENOENT;

    for (const char *at = COMMAND_PATH; *at != '\0'; at += *at == ':') {
        int length = (int)strcspn(at, ":"), error;

        if (snprintf(path, sizeof path, "%.*s/%s", length, at, name) < (int)sizeof path) {
            error = look_at(path);
            if (error == 0)
                return 0;
            found = error == ENOENT ? found : error;
        }
        at += length;
    }
    return found;
}

/* Of any program; a relative path counts from /. */
static int
look_for(const char *program)
{
    char path[PATH_MAX];

    if (strchr(program, '/') == NULL)
        return look_along_path(program);
    if (snprintf(path, sizeof path, "%s%s", program[0] == '/' ? "" : "/", program) >=
        (int)sizeof path)
        return ENAMETOOLONG;
    return look_at(path);
}

static void
explain(const char *program, int error, char *why)
{
    char quoted[QUOTE_BYTES];

    problem_quote(program, quoted);
    if (error == EISDIR)
        snprintf(why, PROBLEM_BYTES, "%s is a directory, no program", quoted);
    else if (error == ENOEXEC)
        snprintf(why, PROBLEM_BYTES, "%s may not be executed; `chmod +x` makes a program of it",
                 quoted);
    else if (error == ENOENT && strchr(program, '/') == NULL)
        snprintf(why, PROBLEM_BYTES, "there is no program %s in %s; write its whole path", quoted,
                 COMMAND_PATH);
    else if (error == ENOENT)
        snprintf(why, PROBLEM_BYTES, "there is no program %s%s; the probe fails until there is one",
                 quoted, program[0] == '/' ? "" : ", which counts from /");
    else
        snprintf(why, PROBLEM_BYTES, "the program %s: %s", quoted, strerror(error));
}

/* ---- a list ---- */

/* Is what stands before the first space a program? Then arguments were written behind it. */
static bool
has_arguments(const char *text)
{
    struct path program;
    size_t length = strcspn(text, " ");

    return text[length] == ' ' && path_set(&program, text, length) && length > 0 &&
           look_for(program.text) == 0;
}

static bool
look_at_program(const char *program, char *why)
{
    int error = look_for(program);
    char quoted[QUOTE_BYTES];

    if (error == 0)
        return true;
    if (error != ENOENT || !has_arguments(program)) {
        explain(program, error, why);
        return false;
    }
    snprintf(why, PROBLEM_BYTES,
             "there is no program %s: in a list spaces belong to the name; write each argument as "
             "a text of its own: ( \"%.*s\", \"...\" )", problem_quote(program, quoted),
             (int)MIN(strcspn(program, " "), QUOTE_BYTES), program);
    return false;
}

/* ---- one text, for the shell ---- */

/* What the shell does itself, or bash in its place. */
static bool
is_built_in(const char *word)
{
    static const char *const words[] = {
        ".",      ":",     "alias", "bg",     "break",  "case",     "cd",     "command",
        "continue", "echo", "eval", "exec", "exit",   "export", "false",    "fc",     "fg",
        "for",    "function", "getopts", "hash", "if", "jobs",  "kill",     "local",  "printf",
        "pwd",    "read",  "readonly", "return", "set", "shift", "source",  "test",   "time",
        "times",  "trap",  "true", "type",  "ulimit", "umask",  "unalias",  "unset",  "until",
        "wait",   "while",  "builtin", "chdir", "declare", "let", "select",   "shopt",
    };

    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (strcmp(words[i], word) == 0)
            return true;
    }
    return false;
}

/* The length of the program's name at `*at`, which moves behind a quote; 0: only the shell knows
 * it. */
static size_t
first_word(const char **at)
{
    char quote = **at;
    size_t length;

    if (quote == '"' || quote == '\'') {
        ++*at;
        length = strcspn(*at, quote == '"' ? "\"$`\\" : "'");
        return (*at)[length] == quote && strchr(" \t", (*at)[length + 1]) != NULL ? length : 0;
    }
    length = strspn(*at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._+-@%,:");
    return strchr(" \t;|&<>", (*at)[length]) != NULL ? length : 0;
}

/* A path with spaces that nothing protects: finds where the file's name may end. */
static bool
has_spaces(const char *text, struct path *file)
{
    struct stat stat_of;

    for (size_t end = strcspn(text, " "); text[0] == '/'; end += strcspn(text + end, " ")) {
        if (memchr(text, ' ', end) != NULL && path_set(file, text, end) &&
            stat(file->text, &stat_of) == 0 && S_ISREG(stat_of.st_mode))
            return true;
        if (text[end] == '\0')
            return false;
        end++;
    }
    return false;
}

static bool
look_at_shell(const char *text, char *why)
{
    char quoted[QUOTE_BYTES];
    struct path word, file;
    const char *at;
    size_t length;
    int error;

    text += strspn(text, " \t");
    if (strncmp(text, "exec ", 5) == 0)
        text += 5 + strspn(text + 5, " \t");
    at = text;
    length = first_word(&at);
    if (length == 0 || *at == '-' || !path_set(&word, at, length) || is_built_in(word.text))
        return true;
    error = look_for(word.text);
    if (error == 0)
        return true;
    if (at != text || !has_spaces(text, &file)) {
        explain(word.text, error, why);
        return false;
    }
    snprintf(why, PROBLEM_BYTES,
             "the shell takes a single text apart at spaces and looks for %s; the path of %.100s "
             "has spaces: write a list, ( \"%.100s\", \"...\" )", problem_quote(word.text, quoted),
             file.text, file.text);
    return false;
}

bool
command_file_look(const struct file_use *use, char *why)
{
    assert(use->kind != FILE_USE_CA);
    return use->kind == FILE_USE_SHELL ? look_at_shell(use->text, why)
                                       : look_at_program(use->text, why);
}
