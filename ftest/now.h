/*
 * now - the time of a measurement: CLOCK_MONOTONIC in nanoseconds. Any thread.
 */
#ifndef FPROXY_FTEST_NOW_H
#define FPROXY_FTEST_NOW_H

#include <stdint.h>
#include <time.h>

#define NS_PER_S  1000000000ULL
#define NS_PER_MS 1000000ULL

static inline uint64_t
now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

#endif
