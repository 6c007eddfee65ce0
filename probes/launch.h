/*
 * launch - what the prober and fproxy-launch agree on.
 *
 * A command of a probe is started in two steps: the prober starts fproxy-launch, which sets limits
 * and rights for itself and becomes the command. So the prober waits for neither the file of the
 * command (which may lie on a server that hangs) nor for names of users, shares its memory with
 * nothing of another user, and copies none of it: fork() of 30 MB costs 24 ms of CPU, this 0.7.
 *
 *   fproxy-launch PARENT_PID CPU_SECONDS USER PROGRAM ARGUMENT...
 *
 * CPU_SECONDS 0: no limit; USER "": the one of the prober. At LAUNCH_STATUS_FD it writes the
 * reason, a sentence, when PROGRAM cannot be run, and ends with LAUNCH_FAILED.
 */
#ifndef FPROXY_PROBES_LAUNCH_H
#define FPROXY_PROBES_LAUNCH_H

enum {
    LAUNCH_STATUS_FD = 3,
    LAUNCH_FAILED = 125,
    LAUNCH_WORDS = 4,               /* before PROGRAM, its own name with them */
    LAUNCH_NICE = 5,
    LAUNCH_FILES = 1024,            /* open at once */
    LAUNCH_PROCESSES = 512,         /* of a user of its own */
    LAUNCH_FILE_MB = 64,            /* the longest file it may write */
    LAUNCH_DATA_MB = 2048,          /* memory of one process; runtimes reserve much */
};

#endif
