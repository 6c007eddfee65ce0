/*
 * crash - the last words of a process that ends by a signal: which, where, and how it got there.
 *
 *   ... error worker[712] ends by signal 11 (SIGSEGV) at address 0x18 in thread data-0
 *   ... error worker[712] thread data-0: #0 fproxy-worker+0x41c7
 *   ... error worker[712] thread data-0: #1 fproxy-worker+0x3f02
 *
 * `addr2line -fe fproxy-worker 0x41c7` names the line. Written to standard error in the log's
 * format, with nothing but what a signal handler may call, on a stack of its own. Then the
 * signal takes its usual course, so that the parent learns the true one.
 *
 * A SIGABRT that another process sent (to one that hangs) tells the stack of every thread.
 * Frames are found by their frame pointers (the build keeps them); code without, libc mostly,
 * may hide its caller: then what looks like a return address on the stack is told, with "~".
 * With a sanitizer, which does all this better, nothing is installed.
 */
#ifndef FPROXY_BASE_CRASH_H
#define FPROXY_BASE_CRASH_H

#include <signal.h>

/* In the main thread, before others start; `process` as for log_init(), must stay valid. */
void crash_handler_install(const char *process);

/* At the begin of every other thread; without it a crash there is still told if its own stack
 * has room. */
void crash_handler_thread(void);

/* The signals that are told, for who blocks all others in its threads: a fault whose signal
 * is blocked ends the process without a word. */
void crash_signals(sigset_t *signals);

#endif
