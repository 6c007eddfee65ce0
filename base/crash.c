/* crash - see crash.h. Everything below "in the handler" is async-signal-safe. */
#include "base/crash.h"

#include <errno.h>
#include <link.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)        /* clang */
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

enum {
    STACK_BYTES = 16384,        /* of the handler */
    FRAMES_MAX = 32,
    FRAMES_ENOUGH = 3,          /* of ours: the frame pointers were of use */
    SCAN_WORDS = 512,
    MODULES_MAX = 32,
    MODULE_NAME_BYTES = 48,
    THREADS_MAX = 80,
    LINE_BYTES = 512,
    WRITE_WAIT_MS = 100,
    THREAD_WAIT_MS = 200,       /* for the words of another thread */
};

/* Something with code in it. */
struct module {
    uintptr_t base;             /* what addresses in the file count from */
    uintptr_t low, high;        /* of its code */
    char name[MODULE_NAME_BYTES];
};

static const struct {
    int number;
    const char *name;
} signals[] = {
    { SIGSEGV, "SIGSEGV" }, { SIGBUS, "SIGBUS" }, { SIGFPE, "SIGFPE" },
    { SIGILL, "SIGILL" }, { SIGABRT, "SIGABRT" },
};

static const char *process_name = "fproxy";
static struct module modules[MODULES_MAX];
static unsigned module_count;
static pid_t threads[THREADS_MAX];      /* those that told us */
static _Atomic unsigned thread_count;
static _Atomic int dying;               /* the thread that tells and ends it */
static _Atomic unsigned told;           /* other threads that have told their stack */

/* Of each thread: which addresses its stack has. */
static _Thread_local uintptr_t stack_low, stack_high;

/* ---- in the handler: lines ---- */

struct words {
    char text[LINE_BYTES];
    size_t bytes;
};

static void
put(struct words *words, const char *text)
{
    while (*text != '\0' && words->bytes < sizeof words->text)
        words->text[words->bytes++] = *text++;
}

static void
put_number(struct words *words, uint64_t value, unsigned base, int digits)
{
    char reversed[24], text[25];
    int count = 0, length = 0;

    do {
        reversed[count++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value > 0 || count < digits);
    while (count > 0)
        text[length++] = reversed[--count];
    text[length] = '\0';
    put(words, text);
}

static void
put_hex(struct words *words, uintptr_t value)
{
    put(words, "0x");
    put_number(words, value, 16, 1);
}

/* Howard Hinnant's civil_from_days(): gmtime_r(3) takes a lock. */
static void
put_date(struct words *words, int64_t days)
{
    int64_t z = days + 719468, era = z / 146097, of_era = z - era * 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t shifted = (5 * of_year + 2) / 153;
    int64_t month = shifted < 10 ? shifted + 3 : shifted - 9;

    put_number(words, (uint64_t)(year + era * 400 + (month <= 2)), 10, 4);
    put(words, "-");
    put_number(words, (uint64_t)month, 10, 2);
    put(words, "-");
    put_number(words, (uint64_t)(of_year - (153 * shifted + 2) / 5 + 1), 10, 2);
}

static void
put_time(struct words *words)
{
    struct timespec now;
    uint64_t second;

    clock_gettime(CLOCK_REALTIME, &now);
    second = (uint64_t)now.tv_sec % 86400;
    put_date(words, now.tv_sec / 86400);
    put(words, "T");
    put_number(words, second / 3600, 10, 2);
    put(words, ":");
    put_number(words, second / 60 % 60, 10, 2);
    put(words, ":");
    put_number(words, second % 60, 10, 2);
    put(words, ".");
    put_number(words, (uint64_t)now.tv_nsec / 1000000, 10, 3);
    put(words, "Z");
}

static void
begin(struct words *words)
{
    bool json = log_get_format() == LOG_JSON;

    words->bytes = 0;
    put(words, json ? "{\"time\":\"" : "");
    put_time(words);
    put(words, json ? "\",\"level\":\"error\",\"process\":\"" : " error ");
    put(words, process_name);
    put(words, json ? "\",\"pid\":" : "[");
    put_number(words, (uint64_t)getpid(), 10, 1);
    put(words, json ? ",\"message\":\"" : "] ");
}

/* A reader that stalls does not keep the process from ending. */
static void
finish(struct words *words)
{
    struct pollfd poll_fd = { .fd = STDERR_FILENO, .events = POLLOUT };
    ssize_t written;

    put(words, log_get_format() == LOG_JSON ? "\"}\n" : "\n");
    if (poll(&poll_fd, 1, WRITE_WAIT_MS) != 1)
        return;
    written = write(STDERR_FILENO, words->text, words->bytes);
    (void)written;
}

/* What could break the line or its JSON has no place in a thread's name. */
static void
put_thread(struct words *words)
{
    char name[17] = "";

    prctl(PR_GET_NAME, name);
    for (char *c = name; *c != '\0'; c++)
        *c = *c < ' ' || *c > '~' || *c == '"' || *c == '\\' ? '?' : *c;
    put(words, "thread ");
    put(words, name);
}

/* ---- in the handler: frames ---- */

static const struct module *
module_of(uintptr_t address)
{
    for (unsigned i = 0; i < module_count; i++) {
        if (address >= modules[i].low && address < modules[i].high)
            return &modules[i];
    }
    return NULL;
}

static void
tell_frame(unsigned number, const char *how, uintptr_t address)
{
    const struct module *module = module_of(address);
    struct words words;

    begin(&words);
    put_thread(&words);
    put(&words, ": #");
    put_number(&words, number, 10, 1);
    put(&words, " ");
    put(&words, how);
    if (module != NULL) {
        put(&words, module->name);
        put(&words, "+");
        address -= module->base;
    }
    put_hex(&words, address);
    finish(&words);
}

struct registers {
    uintptr_t pc, fp, sp;
};

static struct registers
registers_of(const ucontext_t *context)
{
#if defined(__x86_64__)
    return (struct registers){ .pc = (uintptr_t)context->uc_mcontext.gregs[REG_RIP],
                               .fp = (uintptr_t)context->uc_mcontext.gregs[REG_RBP],
                               .sp = (uintptr_t)context->uc_mcontext.gregs[REG_RSP] };
#elif defined(__aarch64__)
    return (struct registers){ .pc = (uintptr_t)context->uc_mcontext.pc,
                               .fp = (uintptr_t)context->uc_mcontext.regs[29],
                               .sp = (uintptr_t)context->uc_mcontext.sp };
#else
    (void)context;
    return (struct registers){ 0 };
#endif
}

static bool
on_stack(uintptr_t address, size_t bytes)
{
    return address % sizeof(uintptr_t) == 0 && address >= stack_low &&
           address < stack_high && bytes <= stack_high - address;
}

/* Of the program itself, not of libc: module 0. */
static bool
is_ours(uintptr_t address)
{
    return module_count > 0 && address >= modules[0].low && address < modules[0].high;
}

/* A return address is behind its call: one less lies in it. */
static unsigned
walk(const struct registers *registers, unsigned number, unsigned *ours)
{
    uintptr_t fp = registers->fp;

    while (number < FRAMES_MAX && on_stack(fp, 2 * sizeof(uintptr_t))) {
        const uintptr_t *frame = (const uintptr_t *)fp;

        if (module_of(frame[1]) == NULL)
            break;
        *ours += is_ours(frame[1]);
        tell_frame(number++, "", frame[1] - 1);
        if (frame[0] <= fp)         /* the stack grows downwards: callers lie higher */
            break;
        fp = frame[0];
    }
    return number;
}

static void
scan(const struct registers *registers, unsigned number)
{
    uintptr_t at = registers->sp & ~(sizeof(uintptr_t) - 1);

    for (unsigned i = 0; i < SCAN_WORDS && number < FRAMES_MAX; i++, at += sizeof(uintptr_t)) {
        if (!on_stack(at, sizeof(uintptr_t)))
            break;
        if (is_ours(*(const uintptr_t *)at))
            tell_frame(number++, "~", *(const uintptr_t *)at - 1);
    }
}

static void
tell_stack(const ucontext_t *context)
{
    struct registers registers = registers_of(context);
    unsigned ours = 0, number = 0;

    if (registers.pc != 0)
        tell_frame(number++, "", registers.pc);
    ours += is_ours(registers.pc);
    number = walk(&registers, number, &ours);
    if (ours < FRAMES_ENOUGH)
        scan(&registers, number);
}

/* ---- in the handler: what happened ---- */

static const char *
signal_name(int number)
{
    for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
        if (signals[i].number == number)
            return signals[i].name;
    }
    return "?";
}

static bool
was_sent(const siginfo_t *info)
{
    return info->si_code <= 0 && info->si_pid != getpid();
}

static void
tell_signal(int number, const siginfo_t *info)
{
    struct words words;

    begin(&words);
    put(&words, "ends by signal ");
    put_number(&words, (uint64_t)number, 10, 1);
    put(&words, " (");
    put(&words, signal_name(number));
    put(&words, ")");
    if (was_sent(info)) {
        put(&words, " sent by process ");
        put_number(&words, (uint64_t)info->si_pid, 10, 1);
    } else if (number != SIGABRT) {
        put(&words, " at address ");
        put_hex(&words, (uintptr_t)info->si_addr);
    }
    put(&words, " in ");
    put_thread(&words);
    finish(&words);
}

/* Each in turn, and none is waited for long: one may be unable to answer. */
static void
ask_others(pid_t self)
{
    const struct timespec one_ms = { .tv_nsec = 1000000 };

    for (unsigned i = 0; i < atomic_load(&thread_count); i++) {
        unsigned before = atomic_load(&told);

        if (threads[i] == self || syscall(SYS_tgkill, getpid(), threads[i], SIGABRT) < 0)
            continue;
        for (int ms = 0; ms < THREAD_WAIT_MS && atomic_load(&told) == before; ms++)
            nanosleep(&one_ms, NULL);
    }
}

static void
on_signal(int number, siginfo_t *info, void *context)
{
    pid_t self = (pid_t)syscall(SYS_gettid);
    int nobody = 0;

    if (!atomic_compare_exchange_strong(&dying, &nobody, self) && nobody != self) {
        tell_stack(context);            /* asked to, or crashing at the same time */
        atomic_fetch_add(&told, 1);
        for (;;)
            pause();                    /* the other one ends the process */
    }
    if (nobody == 0) {                  /* else: the telling itself crashed */
        tell_signal(number, info);
        tell_stack(context);
        if (number == SIGABRT && was_sent(info))
            ask_others(self);
    }
    signal(number, SIG_DFL);
    raise(number);                      /* delivered when this returns */
}

/* ---- before ---- */

static int
note_module(struct dl_phdr_info *info, size_t bytes, void *unused)
{
    const char *name = strrchr(info->dlpi_name, '/');

    (void)bytes;
    (void)unused;
    for (int i = 0; i < info->dlpi_phnum && module_count < MODULES_MAX; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        struct module *module = &modules[module_count];

        if (part->p_type != PT_LOAD || !(part->p_flags & PF_X))
            continue;
        module->base = info->dlpi_addr;
        module->low = info->dlpi_addr + part->p_vaddr;
        module->high = module->low + part->p_memsz;
        name = name != NULL ? name + 1 : info->dlpi_name;
        if (name[0] == '\0')
            name = program_invocation_short_name;
        strncpy(module->name, name, sizeof module->name - 1);
        module_count++;
        break;
    }
    return 0;
}

void
crash_signals(sigset_t *set)
{
    sigemptyset(set);
    for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
        sigaddset(set, signals[i].number);
}

/* Memory that is not there before a handler runs on it. It stays until the process ends, as our
 * threads do. */
static void
make_stack(void)
{
    stack_t stack = { .ss_size = STACK_BYTES };

    stack.ss_sp = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (stack.ss_sp != MAP_FAILED)
        sigaltstack(&stack, NULL);
}

void
crash_handler_thread(void)
{
    pthread_attr_t attributes;
    void *low;
    size_t bytes;
    unsigned number;

    if (SANITIZED)
        return;
    if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
        if (pthread_attr_getstack(&attributes, &low, &bytes) == 0) {
            stack_low = (uintptr_t)low;
            stack_high = stack_low + bytes;
        }
        pthread_attr_destroy(&attributes);
    }
    make_stack();
    number = atomic_load(&thread_count);
    while (number < THREADS_MAX &&
           !atomic_compare_exchange_weak(&thread_count, &number, number + 1))
        continue;
    if (number < THREADS_MAX)
        threads[number] = (pid_t)syscall(SYS_gettid);
}

void
crash_handler_install(const char *process)
{
    struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK };

    if (SANITIZED)
        return;
    process_name = process;
    module_count = 0;
    dl_iterate_phdr(note_module, NULL);
    crash_handler_thread();
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
        sigaction(signals[i].number, &action, NULL);
}
