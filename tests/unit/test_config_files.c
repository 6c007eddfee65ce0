/*
 * Directories and files as they come: the order, what is not read, what cannot be read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/names.h"
#include "base/util.h"
#include "config/config.h"

#define APP(name, ports) "{ name = \"" name "\"; ports = " ports "; targets = \"t:1\"; }"
#define ONE(name, ports) "apps = (\n" APP(name, ports) ");"

/* A directory of its own for each test; *state is its path. */
static int
set_up(void **state)
{
    char path[] = "/tmp/fproxy-test-config.XXXXXX";

    *state = mkdtemp(path) != NULL ? strdup(path) : NULL;
    return *state == NULL ? -1 : 0;
}

static const char *
in(const char *directory, const char *name)
{
    static char path[PATH_BYTES];

    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static int
tear_down(void **state)
{
    DIR *directory = opendir(*state);
    struct dirent *entry;

    while ((entry = readdir(directory)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            remove(in(*state, entry->d_name));
    closedir(directory);
    rmdir(*state);
    free(*state);
    return 0;
}

static void
put(const char *directory, const char *name, const char *text)
{
    FILE *file = fopen(in(directory, name), "w");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

static struct config *
load(const char *path)
{
    struct config *config;

    assert_int_equal(config_load(path, &config), 0);
    return config;
}

static void
a_directory_is_read_in_the_order_of_names(void **state)
{
    struct config *config;

    put(*state, "20.json",
        "{\"Apps\": [{\"Name\": \"json\", \"Ports\": [80, \"81-82\"],\n"
        "\"Targets\": [\"t:1\"]}]}");
    put(*state, "30.conf", ONE("last", "90"));
    put(*state, "10.conf", "# only a comment\n");
    put(*state, "09.conf", ONE("first", "70"));
    put(*state, ".hidden.conf", "garbage");
    put(*state, "notes.txt", "garbage");
    put(*state, "30.conf~", "garbage");
    config = load(*state);
    assert_int_equal(config->error_count, 0);
    assert_int_equal(config->file_count, 4);
    assert_int_equal(config->app_count, 3);
    assert_string_equal(config->apps[0].app.name, "first");
    assert_string_equal(config->apps[1].app.name, "json");
    assert_int_equal(config->apps[1].app.port_count, 3);
    assert_string_equal(config->apps[2].app.name, "last");
    assert_string_equal(config->apps[2].source, in(*state, "30.conf"));
    config_free(config);
}

static void
an_empty_directory_is_valid_and_one_file_is_too(void **state)
{
    struct config *config = load(*state);

    assert_int_equal(config->error_count, 0);
    assert_int_equal(config->file_count, 0);
    assert_int_equal(config->app_count, 0);
    config_free(config);

    put(*state, "any-name", ONE("a", "80"));
    config = load(in(*state, "any-name"));
    assert_int_equal(config->error_count, 0);
    assert_int_equal(config->app_count, 1);
    config_free(config);
}

static void
a_path_that_is_not_there_has_no_result(void **state)
{
    struct config *config;

    assert_int_equal(config_load(in(*state, "none"), &config), -ENOENT);
    put(*state, "file", "");
    assert_int_equal(config_load(in(*state, "file/none"), &config), -ENOTDIR);
    assert_int_equal(symlink("loop", in(*state, "loop")), 0);
    assert_int_equal(config_load(in(*state, "loop"), &config), -ELOOP);
}

static void
a_file_that_cannot_be_read_is_an_error_and_others_are_read(void **state)
{
    static const char *const whys[] = {
        "is a directory, not a file",
        "cannot be read: No such file or directory (what this link points to)",
        "is no regular file",
        "is empty (0 bytes): delete it, or write a comment into it if nothing is meant",
        "is larger than 8 MiB: split it into several files",
    };
    struct config *config;

    assert_int_equal(mkdir(in(*state, "1.conf"), 0700), 0);
    assert_int_equal(symlink("/nonexistent/file", in(*state, "2.conf")), 0);
    assert_int_equal(mkfifo(in(*state, "3.conf"), 0600), 0);
    put(*state, "4.conf", "");
    put(*state, "5.conf", "");
    assert_int_equal(truncate(in(*state, "5.conf"), 10000000), 0);
    put(*state, "6.conf", ONE("a", "80"));
    config = load(*state);
    assert_int_equal(config->app_count, 1);
    assert_int_equal(config->error_count, ARRAY_SIZE(whys));
    assert_int_equal(config->opaque_file_count, ARRAY_SIZE(whys));
    for (size_t i = 0; i < ARRAY_SIZE(whys); i++) {
        assert_string_equal(config->errors[i].message, whys[i]);
        assert_int_equal(config->errors[i].line, 0);
        assert_string_equal(config->errors[i].file, config->opaque_files[i]);
    }
    config_free(config);
}

static void
the_sample_is_valid(void **state)
{
    struct config *config = load(SAMPLE_DIR);

    assert_int_equal(config->error_count, 0);
    assert_int_equal(config->app_count, 2);
    assert_string_equal(config->apps[0].app.name, "hello");
    assert_int_equal(config->apps[0].app.target_count, 3);
    assert_string_equal(config->apps[1].app.name, "rough");
    assert_int_equal(config->apps[1].app.target_count, 4);
    config_free(config);
}

#define WITH_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(a_directory_is_read_in_the_order_of_names),
        WITH_DIRECTORY(an_empty_directory_is_valid_and_one_file_is_too),
        WITH_DIRECTORY(a_path_that_is_not_there_has_no_result),
        WITH_DIRECTORY(a_file_that_cannot_be_read_is_an_error_and_others_are_read),
        cmocka_unit_test(the_sample_is_valid),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
