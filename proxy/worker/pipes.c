/* pipes - see pipes.h. */
#include "proxy/worker/pipes.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/util.h"

void
pipes_init(struct pipes *pipes, uint32_t count_max)
{
    SLIST_INIT(&pipes->spare);
    pipes->spare_count = pipes->count = 0;
    pipes->count_max = count_max;
}

static void
pipe_destroy(struct pipes *pipes, struct pipe_pair *pipe)
{
    close(pipe->read_fd);
    close(pipe->write_fd);
    free(pipe);
    pipes->count--;
}

void
pipes_fini(struct pipes *pipes)
{
    struct pipe_pair *pipe;

    while ((pipe = SLIST_FIRST(&pipes->spare)) != NULL) {
        SLIST_REMOVE_HEAD(&pipes->spare, link);
        pipe_destroy(pipes, pipe);
    }
    pipes->spare_count = 0;
}

static struct pipe_pair *
pipe_create(struct pipes *pipes)
{
    struct pipe_pair *pipe = calloc(1, sizeof *pipe);
    int fds[2], bytes;

    if (pipe == NULL)
        return NULL;
    if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) < 0) {
        free(pipe);
        return NULL;
    }
    /* May fail for a user beyond /proc/sys/fs/pipe-user-pages-soft: the default does too. */
    bytes = fcntl(fds[1], F_SETPIPE_SZ, PIPE_BYTES);
    if (bytes < 0)
        bytes = fcntl(fds[1], F_GETPIPE_SZ);
    pipe->read_fd = fds[0];
    pipe->write_fd = fds[1];
    pipe->bytes = bytes > 0 ? (uint32_t)bytes : 4096;
    pipes->count++;
    return pipe;
}

struct pipe_pair *
pipes_get(struct pipes *pipes)
{
    struct pipe_pair *pipe = SLIST_FIRST(&pipes->spare);

    if (LIKELY(pipe != NULL)) {
        SLIST_REMOVE_HEAD(&pipes->spare, link);
        pipes->spare_count--;
        return pipe;
    }
    return pipes->count < pipes->count_max ? pipe_create(pipes) : NULL;
}

void
pipes_put(struct pipes *pipes, struct pipe_pair *pipe, int empty)
{
    if (!empty || pipes->spare_count >= PIPES_SPARE_MAX) {
        pipe_destroy(pipes, pipe);
        return;
    }
    SLIST_INSERT_HEAD(&pipes->spare, pipe, link);
    pipes->spare_count++;
}
