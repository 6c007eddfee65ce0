/* fproxy-prober: started by fproxy, never by hand. */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/control_message.h"
#include "base/crash.h"
#include "base/log.h"
#include "base/memory.h"
#include "probes/prober.h"

static bool
is_control(int fd)
{
    int type = 0, domain = 0;
    socklen_t bytes = sizeof type;

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &bytes) == 0 && type == SOCK_SEQPACKET &&
           getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &bytes) == 0 && domain == AF_UNIX;
}

int
main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--version") == 0) {
        printf("fproxy-prober %s\n", FPROXY_VERSION);
        return 0;
    }
    if (argc > 1 && strcmp(argv[1], CONTROL_TRIAL_OPTION) == 0) {
        printf(CONTROL_TRIAL_WORD " %d %s\n", CONTROL_PROTOCOL, FPROXY_VERSION);
        return 0;
    }
    if (!is_control(CONTROL_FD)) {
        fprintf(stderr, "fproxy-prober is a part of fproxy and is started by it; to see what "
                        "it knows, run: fproxy-probe inspect\n");
        return 2;
    }
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);       /* else commands of probes could not be waited for */
    memory_settle();
    log_init("prober");
    crash_handler_install("prober");
    return prober_run(CONTROL_FD, is_control(CONTROL_LISTEN_FD) ? CONTROL_LISTEN_FD : -1);
}
