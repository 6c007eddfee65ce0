/* fproxy-worker NAME: started by fproxy, with its control connection as descriptor 3. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/control.h"
#include "base/log.h"
#include "proxy/worker/worker.h"

/* Glibc gives every thread an arena of its own; here threads allocate next to nothing. */
#include <malloc.h>

int
main(int argc, char **argv)
{
    if (argc == 2 && (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)) {
        printf("fproxy-worker %s\n", FPROXY_VERSION);
        return 0;
    }
    if (argc != 2 || argv[1][0] == '-' || fcntl(CONTROL_FD, F_GETFD) < 0) {
        fprintf(stderr, "fproxy-worker is started by fproxy, not by hand: run 'fproxy --help'\n");
        return 2;
    }
    mallopt(M_ARENA_MAX, 1);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    fcntl(CONTROL_FD, F_SETFD, FD_CLOEXEC);
    log_init("worker");
    return worker_run(argv[1], CONTROL_FD);
}
