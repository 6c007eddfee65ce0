/*
 * memory - how malloc(3) behaves in processes that live for months.
 */
#ifndef FPROXY_BASE_MEMORY_H
#define FPROXY_BASE_MEMORY_H

/* In main(), before threads: one arena, for no second thread allocates much; and what is large
 * is mapped by itself and given back as soon as it is freed, for good (glibc would raise the
 * limit by and by, and keep what a busy start needed: 20 MB of a prober with 5,000 apps). */
void memory_settle(void);

/* Gives back what is free at present. Takes milliseconds: after a start, not now and then. */
void memory_trim(void);

#endif
