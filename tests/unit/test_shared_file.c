#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/shared_file.h"

struct directory {
    char path[64];
    int fd;
};

static int
make_directory(void **state)
{
    struct directory *directory = malloc(sizeof *directory);

    strcpy(directory->path, "/tmp/test_shared_file.XXXXXX");
    if (mkdtemp(directory->path) == NULL)
        return -1;
    directory->fd = open(directory->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *state = directory;
    return directory->fd < 0;
}

static int
remove_directory(void **state)
{
    struct directory *directory = *state;

    unlinkat(directory->fd, "board", 0);
    close(directory->fd);
    rmdir(directory->path);
    free(directory);
    return 0;
}

static void
a_new_file_is_zero_allocated_and_of_the_wanted_mode(void **state)
{
    const struct directory *directory = *state;
    mode_t old_mask = umask(077);
    int fd = shared_file_create(directory->fd, "board", 100000);
    struct stat stat;
    unsigned char *memory;
    size_t bytes = 0;

    umask(old_mask);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &stat), 0);
    assert_int_equal(stat.st_mode & 0777, 0640);
    assert_true(stat.st_blocks * 512 >= 100000);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);

    memory = shared_file_map(fd, true, &bytes);
    assert_non_null(memory);
    assert_int_equal(bytes, 100000);
    for (size_t i = 0; i < bytes; i++)
        assert_int_equal(memory[i], 0);
    shared_file_unmap(memory, bytes);
    close(fd);
}

static void
readers_see_what_the_writer_writes_and_cannot_write(void **state)
{
    const struct directory *directory = *state;
    int fd = shared_file_create(directory->fd, "board", 4096);
    int reader_fd = shared_file_reopen_readonly(fd);
    size_t bytes;
    char *writer = shared_file_map(fd, true, &bytes);
    const char *reader = shared_file_map(reader_fd, false, &bytes);

    assert_true(reader_fd >= 0);
    assert_true(fcntl(reader_fd, F_GETFD) & FD_CLOEXEC);
    strcpy(writer, "available");
    assert_string_equal(reader, "available");

    errno = 0;
    assert_null(shared_file_map(reader_fd, true, &bytes));
    assert_int_equal(errno, EACCES);
    assert_int_equal(write(reader_fd, "x", 1), -1);

    shared_file_unmap(writer, 4096);
    shared_file_unmap((void *)reader, 4096);
    close(fd);
    close(reader_fd);
}

static void
a_replaced_file_stays_whole_for_those_who_map_it(void **state)
{
    const struct directory *directory = *state;
    size_t bytes;
    int old_fd = shared_file_create(directory->fd, "board", 4096);
    char *old = shared_file_map(old_fd, true, &bytes);
    int fd;
    char *new;

    strcpy(old, "old");
    fd = shared_file_create(directory->fd, "board", 8192);
    assert_true(fd >= 0);
    new = shared_file_map(fd, true, &bytes);
    assert_int_equal(bytes, 8192);
    assert_string_equal(new, "");
    assert_string_equal(old, "old");

    shared_file_unmap(old, 4096);
    shared_file_unmap(new, 8192);
    close(old_fd);
    close(fd);
}

static void
a_file_that_does_not_fit_is_an_error_and_leaves_nothing(void **state)
{
    const struct directory *directory = *state;

    assert_true(shared_file_create(directory->fd, "board", (size_t)1 << 62) < 0);
    assert_int_equal(faccessat(directory->fd, "board", F_OK, 0), -1);
    assert_int_equal(shared_file_create(-1, "board", 4096), -EBADF);
}

static void
what_is_empty_or_no_file_is_not_mapped(void **state)
{
    const struct directory *directory = *state;
    int fd = memfd_create("empty", MFD_CLOEXEC);
    size_t bytes;

    assert_null(shared_file_map(fd, false, &bytes));
    assert_int_equal(errno, EINVAL);
    assert_null(shared_file_map(directory->fd, false, &bytes));
    assert_int_equal(errno, EINVAL);
    assert_null(shared_file_map(-1, false, &bytes));
    assert_int_equal(errno, EBADF);
    close(fd);
}

static void
a_sealed_text_is_read_back_any_number_of_times(void **state)
{
    const char text[] = "name = \"five\0thousand\";";
    int fd = sealed_text_create("config", text, sizeof text - 1);

    assert_true(fd >= 0);
    for (int i = 0; i < 3; i++) {
        char *data = NULL;
        size_t bytes = 0;

        assert_int_equal(sealed_text_read(fd, sizeof text - 1, &data, &bytes), 0);
        assert_int_equal(bytes, sizeof text - 1);
        assert_memory_equal(data, text, sizeof text);
        free(data);
    }
    close(fd);
}

static void
an_empty_text_can_be_sent(void **state)
{
    int fd = sealed_text_create("records", NULL, 0);
    char *data = NULL;
    size_t bytes = 1;

    assert_int_equal(sealed_text_read(fd, 10, &data, &bytes), 0);
    assert_int_equal(bytes, 0);
    assert_string_equal(data, "");
    free(data);
    close(fd);
}

static void
nobody_can_change_a_sealed_text(void **state)
{
    int fd = sealed_text_create("config", "text", 4);

    assert_int_equal(pwrite(fd, "x", 1, 0), -1);
    assert_int_equal(ftruncate(fd, 0), -1);
    assert_int_equal(ftruncate(fd, 100), -1);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), -1);
    assert_ptr_equal(mmap(NULL, 4, PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
    close(fd);
}

static void
a_text_too_long_or_not_sealed_is_refused(void **state)
{
    const struct directory *directory = *state;
    int sealed = sealed_text_create("config", "12345", 5);
    int unsealed = memfd_create("config", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    char *data = NULL;
    size_t bytes = 0;

    assert_int_equal(sealed_text_read(sealed, 4, &data, &bytes), -EFBIG);
    assert_int_equal(sealed_text_read(unsealed, 100, &data, &bytes), -EPERM);
    assert_int_equal(fcntl(unsealed, F_ADD_SEALS, F_SEAL_WRITE), 0);
    assert_int_equal(sealed_text_read(unsealed, 100, &data, &bytes), -EPERM);
    assert_int_equal(sealed_text_read(directory->fd, 100, &data, &bytes), -EPERM);
    assert_int_equal(sealed_text_read(-1, 100, &data, &bytes), -EBADF);
    assert_null(data);
    close(sealed);
    close(unsealed);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_file_is_zero_allocated_and_of_the_wanted_mode),
        cmocka_unit_test(readers_see_what_the_writer_writes_and_cannot_write),
        cmocka_unit_test(a_replaced_file_stays_whole_for_those_who_map_it),
        cmocka_unit_test(a_file_that_does_not_fit_is_an_error_and_leaves_nothing),
        cmocka_unit_test(what_is_empty_or_no_file_is_not_mapped),
        cmocka_unit_test(a_sealed_text_is_read_back_any_number_of_times),
        cmocka_unit_test(an_empty_text_can_be_sent),
        cmocka_unit_test(nobody_can_change_a_sealed_text),
        cmocka_unit_test(a_text_too_long_or_not_sealed_is_refused),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
