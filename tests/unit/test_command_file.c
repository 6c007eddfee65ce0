/* The command of a probe, as it is configured, against the files that are there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/util.h"
#include "config/command_file.h"
#include "config/load.h"
#include "config/problem.h"
#include "config/set.h"
#include "config_dir.h"

/* A directory with "check" and "my check", which may be run, and "text", which may not. */
static int
set_up(void **state)
{
    char *directory = config_dir_create();

    put(directory, "check", "#!/bin/sh\n");
    put(directory, "my check", "#!/bin/sh\n");
    put(directory, "text", "words\n");
    assert_int_equal(chmod(in(directory, "check"), 0755), 0);
    assert_int_equal(chmod(in(directory, "my check"), 0755), 0);
    *state = directory;
    return 0;
}

static int
tear_down(void **state)
{
    config_dir_destroy(*state);
    return 0;
}

/* What is told, "" when nothing is; static storage. "%s" in `format` is the directory. */
static const char *
look(enum file_use_kind kind, const char *directory, const char *format)
{
    static char why[PROBLEM_BYTES];
    char text[512];
    struct file_use use = { .kind = kind, .text = text };
    const char *at = strstr(format, "@");

    snprintf(text, sizeof text, "%s", format);
    if (at != NULL)
        snprintf(text, sizeof text, "%.*s%s%s", (int)(at - format), format, directory, at + 1);
    return command_file_look(&use, why) ? "" : why;
}

#define assert_tells(kind, text, part)                                                         \
    do {                                                                                       \
        const char *told_ = look(kind, *state, text);                                          \
        if (strstr(told_, part) == NULL)                                                       \
            fail_msg("%s: told is \"%s\"", text, told_);                                       \
    } while (0)
#define assert_passes(kind, text) assert_string_equal(look(kind, *state, text), "")

static void
a_program_that_is_there_passes(void **state)
{
    assert_passes(FILE_USE_PROGRAM, "@/check");
    assert_passes(FILE_USE_PROGRAM, "@/my check");
    assert_passes(FILE_USE_PROGRAM, "sh");
    assert_passes(FILE_USE_PROGRAM, "bin/sh");      /* counts from / */
}

static void
a_program_that_is_not_is_told(void **state)
{
    assert_tells(FILE_USE_PROGRAM, "@/chekc", "there is no program \"/");
    assert_tells(FILE_USE_PROGRAM, "./chekc", "\"./chekc\", which counts from /;");
    assert_tells(FILE_USE_PROGRAM, "no-such-program", "in /usr/local/sbin:");
    assert_tells(FILE_USE_PROGRAM, "@/text", "/text\" may not be executed; `chmod +x`");
    assert_tells(FILE_USE_PROGRAM, "@", "is a directory, no program");
    assert_tells(FILE_USE_PROGRAM, "@/check/more", "Not a directory");
}

static void
arguments_in_one_text_of_a_list_are_named(void **state)
{
    assert_tells(FILE_USE_PROGRAM, "@/check --max 3", "in a list spaces belong to the name");
    assert_tells(FILE_USE_PROGRAM, "sh -c true", "( \"sh\", \"...\" )");
    assert_tells(FILE_USE_PROGRAM, "@/chekc --max 3", "the probe fails until there is one");
}

static void
the_first_word_for_the_shell_is_looked_at(void **state)
{
    static const char *const fine[] = {
        "@/check", "@/check --max 3", "exec @/check", "  @/check; rm x", "@/check>/dev/null",
        "'@/my check' -a", "\"@/my check\"", "sh -c 'exit 0'", "test -e /x", "cd /x && y",
    };

    for (size_t i = 0; i < ARRAY_SIZE(fine); i++)
        assert_passes(FILE_USE_SHELL, fine[i]);
    assert_tells(FILE_USE_SHELL, "@/chekc --max 3", "/chekc\"; the probe fails");
    assert_tells(FILE_USE_SHELL, "exec @/chekc", "/chekc\"; the probe fails");
    assert_tells(FILE_USE_SHELL, "'@/my chekc' -a", "/my chekc\"; the probe fails");
    assert_tells(FILE_USE_SHELL, "no-such-program -a | cat", "\"no-such-program\" in /usr");
    assert_tells(FILE_USE_SHELL, "@/text", "chmod +x");
}

/* What only a shell understands is not guessed at. */
static void
what_only_the_shell_knows_passes(void **state)
{
    static const char *const words[] = {
        "$CHECK -a", "A=1 /no/such", "( /no/such )", "/no/such$X", "`x`", "\"/no/$X\"", "~/no",
        "/no/such\\ file", "{ /no/such; }", "! /no/such", "'/no'/such", "'/no/such", "", " ",
        "exec ", "/no/*",
    };

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        assert_passes(FILE_USE_SHELL, words[i]);
}

static void
a_path_with_spaces_in_one_text_is_named(void **state)
{
    assert_tells(FILE_USE_SHELL, "@/my check", "takes a single text apart at spaces");
    assert_tells(FILE_USE_SHELL, "@/my check", "/my check\", \"...\" )");
    assert_tells(FILE_USE_SHELL, "@/my check -a 3", "/my check has spaces: write a list");
    assert_tells(FILE_USE_SHELL, "@/my chekc -a 3", "/my\"; the probe fails until there is one");
}

/* ---- which files are noted, and where ---- */

/* "KIND:LINE:KEY:TEXT " of each file of the only app; static storage. */
static const char *
noted(const char *text)
{
    static const char *const kinds[] = { "ca", "program", "shell" };
    static char all[1024];
    struct loader *loader = loader_create();
    struct config *config;
    size_t at = 0;

    assert_int_equal(loader_add_text(loader, "f", text, strlen(text)), 0);
    assert_int_equal(loader_finish(loader, &config), 0);
    assert_int_equal(config->error_count, 0);
    assert_int_equal(config->app_count, 1);
    all[0] = '\0';
    for (uint32_t i = 0; i < config->apps[0].files.count; i++) {
        const struct file_use *use = &config->apps[0].files.list[i];

        at += (size_t)snprintf(all + at, sizeof all - at, "%s:%u:%s:%s ", kinds[use->kind],
                               use->line, use->key, use->text);
    }
    config_free(config);
    return all;
}

#define WITH(rest) "apps = ( { name = \"a\"; ports = 80; targets = \"t:1\";\n" rest " } );"

static void
files_that_are_used_are_noted_with_their_lines(void **state)
{
    assert_string_equal(
        noted(WITH("probe = { kind = \"exec\";\n command = ( \"/c\", \"-a\" ); };")),
        "program:3:probe.command:/c ");
    assert_string_equal(noted(WITH("probe = { kind = \"helper\"; command = \"/c -a\"; };")),
                        "shell:2:probe.command:/c -a ");
    assert_string_equal(noted(WITH("probe = { kind = \"https\";\n\n ca = \"/ca\"; };")),
                        "ca:4:probe.ca:/ca ");
    assert_string_equal(
        noted(WITH("probes = (\n{ kind = \"tls\"; ca = \"/1\"; },\n{ kind = \"exec\"; "
                   "command = \"/2\"; } );")),
        "ca:3:probes.ca:/1 shell:4:probes.command:/2 ");
    /* What is inherited is told at the app. */
    assert_string_equal(
        noted("defaults = { probe = { kind = \"tls\"; ca = \"/d\"; }; };\n" WITH("")),
        "ca:2:probe.ca:/d ");
}

static void
files_that_are_not_used_are_not_noted(void **state)
{
    assert_string_equal(noted(WITH("")), "");
    assert_string_equal(
        noted(WITH("probe = { kind = \"https\"; verify = false; ca = \"/ca\"; };")), "");
    assert_string_equal(noted(WITH("probe = { kind = \"grpc\"; ca = \"/ca\"; };")), "");
    assert_string_equal(noted(WITH("probe = { kind = \"grpc\"; tls = true; ca = \"/ca\"; };")),
                        "ca:2:probe.ca:/ca ");
    assert_string_equal(noted(WITH("probe = { ca = \"/ca\"; kind = \"tls\"; };\n"
                                   "probes = ( { kind = \"tcp\"; } );")),
                        "");
}

#define WITH_FILES(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FILES(a_program_that_is_there_passes),
        WITH_FILES(a_program_that_is_not_is_told),
        WITH_FILES(arguments_in_one_text_of_a_list_are_named),
        WITH_FILES(the_first_word_for_the_shell_is_looked_at),
        WITH_FILES(what_only_the_shell_knows_passes),
        WITH_FILES(a_path_with_spaces_in_one_text_is_named),
        cmocka_unit_test(files_that_are_used_are_noted_with_their_lines),
        cmocka_unit_test(files_that_are_not_used_are_not_noted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
