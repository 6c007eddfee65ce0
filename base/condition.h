/*
 * condition - condition variables whose deadlines are CLOCK_MONOTONIC: a wall clock that is set
 * makes nobody wait for an hour, or give up at once. Any thread, under the condition's lock.
 */
#ifndef FPROXY_BASE_CONDITION_H
#define FPROXY_BASE_CONDITION_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* 0 or -errno. pthread_cond_destroy() in the end. */
int condition_init(pthread_cond_t *condition);

/* Waits until it is signalled, or for nothing, as condition variables may; false: `until_ms` is
 * over. */
bool condition_wait_until(pthread_cond_t *condition, pthread_mutex_t *lock, uint64_t until_ms);

#endif
