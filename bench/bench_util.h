/*
 * bench_util - what bench_load and bench_backend share: addresses, time, a histogram, and
 * the processor time of other processes.
 */
#ifndef FPROXY_BENCH_UTIL_H
#define FPROXY_BENCH_UTIL_H

#include <netinet/in.h>
#include <stdint.h>

/* Buckets of a histogram: 64 to each doubling, so that a value is known to 1.6 %. */
enum { HISTOGRAM_BUCKETS = 64 * 60 };

struct histogram {
    uint64_t count;
    uint64_t max_ns;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *histogram, uint64_t value_ns);
/* The value that `percent` of all values do not exceed; 0 of an empty histogram. */
uint64_t histogram_percentile(const struct histogram *histogram, double percent);

/* CLOCK_MONOTONIC. */
uint64_t time_ns(void);

/* Parses "1.2.3.4:80,1.2.3.5:80" into at most `max` addresses, ends the program with
 * status 2 when the text is none. Returns how many there are. */
unsigned addresses_parse(const char *text, struct sockaddr_in *addresses, unsigned max);

/* Processor time that all threads of the processes `pids` ("12,34") have used. "" is 0. */
uint64_t cpu_of_ns(const char *pids);

/* Raises the descriptor limit to the hard one. */
void descriptors_raise(void);

/* Prints "NAME: message: error" and ends the program with status 2. */
_Noreturn void die(const char *message);

#endif
