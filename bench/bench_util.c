#include "bench/bench_util.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static unsigned
bucket_of(uint64_t value_ns)
{
    unsigned doubling;

    if (value_ns < 64)
        return (unsigned)value_ns;
    doubling = 63 - (unsigned)__builtin_clzll(value_ns);
    return (doubling - 5) * 64 + (unsigned)((value_ns >> (doubling - 6)) & 63);
}

static uint64_t
bucket_value(unsigned bucket)
{
    unsigned doubling = bucket / 64 + 5;

    if (bucket < 64)
        return bucket;
    return (64 + (uint64_t)(bucket % 64)) << (doubling - 6);
}

void
histogram_add(struct histogram *histogram, uint64_t value_ns)
{
    histogram->buckets[bucket_of(value_ns)]++;
    histogram->count++;
    if (value_ns > histogram->max_ns)
        histogram->max_ns = value_ns;
}

uint64_t
histogram_percentile(const struct histogram *histogram, double percent)
{
    double wanted = (double)histogram->count * percent / 100;
    uint64_t seen = 0;

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen > 0 && (double)seen >= wanted)
            return bucket_value(i);
    }
    return 0;
}

uint64_t
time_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int
address_parse(char *text, struct sockaddr_in *address)
{
    char *colon = strrchr(text, ':');

    if (colon == NULL)
        return -EINVAL;
    *colon = '\0';
    *address = (struct sockaddr_in){ .sin_family = AF_INET,
                                     .sin_port = htons((uint16_t)atoi(colon + 1)) };
    if (inet_pton(AF_INET, text, &address->sin_addr) != 1)
        return -EINVAL;
    return 0;
}

unsigned
addresses_parse(const char *text, struct sockaddr_in *addresses, unsigned max)
{
    char *copy = strdup(text), *rest = copy, *item;
    unsigned count = 0;

    if (copy == NULL)
        die("memory");
    while ((item = strsep(&rest, ",")) != NULL) {
        errno = EINVAL;
        if (count == max || address_parse(item, &addresses[count++]) < 0)
            die(text);
    }
    free(copy);
    return count;
}

static uint64_t
cpu_of_thread_ns(const char *pid, const char *tid)
{
    char path[512];
    unsigned long long ns = 0;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%s/task/%s/schedstat", pid, tid);
    file = fopen(path, "r");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%llu", &ns) != 1)
        ns = 0;
    fclose(file);
    return ns;
}

static uint64_t
cpu_of_process_ns(const char *pid)
{
    char path[64];
    const struct dirent *entry;
    uint64_t sum = 0;
    DIR *dir;

    snprintf(path, sizeof path, "/proc/%s/task", pid);
    dir = opendir(path);
    if (dir == NULL)
        return 0;
    while ((entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.')
            sum += cpu_of_thread_ns(pid, entry->d_name);
    closedir(dir);
    return sum;
}

uint64_t
cpu_of_ns(const char *pids)
{
    char *copy = strdup(pids), *rest = copy, *pid;
    uint64_t sum = 0;

    if (copy == NULL)
        die("memory");
    while ((pid = strsep(&rest, ",")) != NULL)
        if (*pid != '\0')
            sum += cpu_of_process_ns(pid);
    free(copy);
    return sum;
}

void
descriptors_raise(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        die("getrlimit");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        die("setrlimit");
}

void
die(const char *message)
{
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, message, strerror(errno));
    exit(2);
}
