/* fproxy-worker NAME: started by fproxy, with its control connection as descriptor 3 and a bound
 * socket for successors of that supervisor as descriptor 4. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/control_message.h"
#include "base/crash.h"
#include "base/log.h"
#include "proxy/worker/worker.h"

/* Glibc gives every thread an arena of its own; here threads allocate next to nothing. */
#include <malloc.h>

/* A child that was started without one simply cannot be succeeded. */
static int
inherited_listener(void)
{
    int type = 0, listening = 1;
    socklen_t bytes = sizeof type;

    if (getsockopt(CONTROL_LISTEN_FD, SOL_SOCKET, SO_TYPE, &type, &bytes) < 0 ||
        type != SOCK_SEQPACKET)
        return -1;
    bytes = sizeof listening;
    if (getsockopt(CONTROL_LISTEN_FD, SOL_SOCKET, SO_ACCEPTCONN, &listening, &bytes) < 0 ||
        listening)
        return -1;
    fcntl(CONTROL_LISTEN_FD, F_SETFD, FD_CLOEXEC);
    return CONTROL_LISTEN_FD;
}

int
main(int argc, char **argv)
{
    if (argc == 2 && (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)) {
        printf("fproxy-worker %s\n", FPROXY_VERSION);
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], CONTROL_TRIAL_OPTION) == 0) {
        printf(CONTROL_TRIAL_WORD " %d %s\n", CONTROL_PROTOCOL, FPROXY_VERSION);
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
    crash_handler_install("worker");
    return worker_run(argv[1], CONTROL_FD, inherited_listener());
}
