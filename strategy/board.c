/*
 * board - the layout of the file and the sequence locks in it.
 *
 * A sequence lock is a number and words: the writer makes the number odd, stores the words,
 * makes it even. A reader copies between two equal even numbers or copies again. Words as in
 * atomic_words.h, so a reader that met a newer word sees a newer number.
 */
#include "strategy/board.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/shared_file.h"
#include "base/util.h"
#include "strategy/atomic_words.h"
#include "strategy/page.h"

enum {
    BOARD_MAGIC = 0x66706264,           /* "fpbd" */
    BOARD_LAYOUT = 4,                   /* changes with anything below or in the headers */
    DETAIL_WORDS = sizeof(struct board_detail) / WORD_BYTES,
    SUMMARY_WORDS = sizeof(struct board_summary) / WORD_BYTES,
    LAG_WORDS = sizeof(struct board_lag) / WORD_BYTES,
    READ_TRIES = 200,                   /* against a busy writer */
    READ_TRIES_SPINNING = 20,           /* then let it run: it may share our core */
};
_Static_assert(sizeof(struct board_detail) == 760, "another size is another BOARD_LAYOUT");
_Static_assert(sizeof(struct board_summary) == 24, "another size is another BOARD_LAYOUT");
_Static_assert(sizeof(struct board_pulse) == 24, "another size is another BOARD_LAYOUT");
_Static_assert(sizeof(struct board_lag) == 16, "another size is another BOARD_LAYOUT");

struct summary_cell {
    _Atomic uint64_t sequence;
    _Atomic uint64_t words[SUMMARY_WORDS];
};

struct detail_cell {
    _Alignas(CACHE_LINE_BYTES) _Atomic uint64_t sequence;
    _Atomic uint64_t words[DETAIL_WORDS];
};

struct board_head {
    struct page_head page;
    _Alignas(CACHE_LINE_BYTES) _Atomic uint64_t beat_ms;
    _Atomic uint32_t generation;
    _Atomic uint32_t next_id;
    struct summary_cell summary;
    _Atomic uint64_t lag[LAG_WORDS];    /* no cell: figures of two instants do no harm */
};
_Static_assert(sizeof(struct board_head) == 3 * CACHE_LINE_BYTES, "... as well");

struct board {
    struct board_head *head;            /* the mapping */
    size_t bytes;
    bool writable;
    uint32_t slots;                     /* as checked: the file may not talk us out of it */
    struct available_set *available;    /* these three lie in the mapping */
    struct board_pulse *pulses;
    struct detail_cell *details;
    char app[];                         /* as checked as well; with NUL */
};

static size_t
available_offset(void)
{
    return cache_lines_bytes(sizeof(struct board_head));
}

static size_t
pulses_offset(uint32_t slots)
{
    return available_offset() + cache_lines_bytes(available_set_bytes(slots));
}

static size_t
details_offset(uint32_t slots)
{
    return pulses_offset(slots) + cache_lines_bytes(slots * sizeof(struct board_pulse));
}

size_t
board_bytes(uint32_t slots)
{
    return details_offset(slots) + slots * sizeof(struct detail_cell);
}

void
board_file_name(const char *app, uint32_t number, char *name)
{
    snprintf(name, BOARD_NAME_BYTES, "board-%.63s.%" PRIu32, app, number);
}

bool
board_file_parse(const char *name, char *app, uint32_t *number)
{
    static const char prefix[] = "board-";
    const char *begin = name + sizeof prefix - 1;
    const char *dot;
    size_t length;
    char found[APP_NAME_BYTES] = "";

    if (strncmp(name, prefix, sizeof prefix - 1) != 0)
        return false;
    dot = strchr(begin, '.');
    if (dot == NULL || dot - begin >= APP_NAME_BYTES)
        return false;
    length = (size_t)(dot - begin);
    memcpy(found, begin, length);
    if (!page_name_valid(found) || !page_number_parse(dot, number))
        return false;
    memcpy(app, found, sizeof found);
    return true;
}

int
board_format(int fd, const char *app, uint32_t number, uint32_t generation, uint32_t slots)
{
    size_t bytes = available_offset() + available_set_bytes(0);     /* up to the first endpoint */
    struct board_head *head;
    int rc;

    if (!page_name_valid(app))
        return -EINVAL;
    head = aligned_alloc(CACHE_LINE_BYTES, bytes);
    if (head == NULL)
        return -ENOMEM;
    memset(head, 0, bytes);
    head->page = (struct page_head){
        .magic = BOARD_MAGIC,
        .layout = BOARD_LAYOUT,
        .bytes = board_bytes(slots),
        .number = number,
        .slots = slots,
    };
    page_name_copy(head->page.app, app);
    atomic_store_explicit(&head->generation, generation, memory_order_release);
    available_set_init((struct available_set *)((char *)head + available_offset()), slots);
    rc = page_format(fd, &head->page, bytes);
    free(head);
    return rc;
}
_Static_assert(offsetof(struct board_head, page) == 0, "a board begins with it");

/* Sets what points into the mapping; false when its parts do not fit each other. */
static bool
board_attach(struct board *board)
{
    char *memory = (char *)board->head;

    board->slots = board->head->page.slots;
    if (board->bytes != board_bytes(board->slots))
        return false;
    board->available = (struct available_set *)(memory + available_offset());
    board->pulses = (struct board_pulse *)(memory + pulses_offset(board->slots));
    board->details = (struct detail_cell *)(memory + details_offset(board->slots));
    return available_set_endpoints_max(board->available) == board->slots;
}

int
board_open(int fd, bool writable, struct board **board)
{
    char app[APP_NAME_BYTES];
    struct board *opened;
    size_t bytes;
    void *memory;
    int rc = page_map(fd, writable, BOARD_MAGIC, BOARD_LAYOUT, board_bytes(1), app, &memory,
                      &bytes);

    if (rc < 0)
        return rc;
    opened = calloc(1, sizeof *opened + strlen(app) + 1);
    if (opened == NULL) {
        shared_file_unmap(memory, bytes);
        return -ENOMEM;
    }
    strcpy(opened->app, app);
    opened->head = memory;
    opened->bytes = bytes;
    opened->writable = writable;
    if (!board_attach(opened)) {
        board_close(opened);
        return -EPROTO;
    }
    *board = opened;
    return 0;
}

void
board_close(struct board *board)
{
    if (board == NULL)
        return;
    shared_file_unmap(board->head, board->bytes);
    free(board);
}

const char *
board_app(const struct board *board)
{
    return board->app;
}

uint32_t
board_number(const struct board *board)
{
    return board->head->page.number;
}

uint32_t
board_generation(const struct board *board)
{
    return atomic_load_explicit(&board->head->generation, memory_order_acquire);
}

uint32_t
board_slots(const struct board *board)
{
    return board->slots;
}

const struct available_set *
board_available(const struct board *board)
{
    return board->available;
}

const struct board_pulse *
board_pulse(const struct board *board, uint32_t slot)
{
    assert(slot < board->slots);

    return &board->pulses[slot];
}

static bool
cell_read(const _Atomic uint64_t *sequence, const _Atomic uint64_t *words, void *to,
          size_t word_count)
{
    for (int tries = 0; tries < READ_TRIES; tries++) {
        uint64_t before = atomic_load_explicit(sequence, memory_order_acquire);

        if (before % 2 == 0) {
            atomic_words_load(words, to, word_count);
            if (atomic_load_explicit(sequence, memory_order_acquire) == before)
                return true;
        }
        if (tries >= READ_TRIES_SPINNING)
            sched_yield();
    }
    return false;
}

static void
cell_write(_Atomic uint64_t *sequence, _Atomic uint64_t *words, const void *from,
           size_t word_count)
{
    /* Odd already when a prober died while writing: this one then completes the cell. */
    uint64_t odd = atomic_load_explicit(sequence, memory_order_relaxed) | 1;

    atomic_store_explicit(sequence, odd, memory_order_release);
    atomic_words_store(words, from, word_count);
    atomic_store_explicit(sequence, odd + 1, memory_order_release);
}

/* Readers print these; a damaged file must not run them beyond their end. */
static void
mend(struct board_detail *detail)
{
    detail->target[sizeof detail->target - 1] = '\0';
    detail->probe_kind[sizeof detail->probe_kind - 1] = '\0';
    detail->probe_detail[sizeof detail->probe_detail - 1] = '\0';
    if (detail->address.family != 4 && detail->address.family != 6)
        memset(&detail->address, 0, sizeof detail->address);
}

bool
board_detail(const struct board *board, uint32_t slot, struct board_detail *detail)
{
    const struct detail_cell *cell;

    assert(slot < board->slots);

    cell = &board->details[slot];
    if (!cell_read(&cell->sequence, cell->words, detail, DETAIL_WORDS) || detail->id == 0)
        return false;
    mend(detail);
    return true;
}

bool
board_detail_left(const struct board *board, uint32_t slot, struct board_detail *detail)
{
    assert(board->writable);
    assert(slot < board->slots);

    atomic_words_load(board->details[slot].words, detail, DETAIL_WORDS);
    if (detail->id == 0)
        return false;
    mend(detail);
    return true;
}

bool
board_summary(const struct board *board, struct board_summary *summary)
{
    const struct summary_cell *cell = &board->head->summary;

    return cell_read(&cell->sequence, cell->words, summary, SUMMARY_WORDS);
}

uint64_t
board_beat_ms(const struct board *board)
{
    return atomic_load_explicit(&board->head->beat_ms, memory_order_relaxed);
}

void
board_lag(const struct board *board, struct board_lag *lag)
{
    atomic_words_load(board->head->lag, lag, LAG_WORDS);
}

uint32_t
board_next_id(const struct board *board)
{
    return atomic_load_explicit(&board->head->next_id, memory_order_relaxed);
}

void
board_set_generation(struct board *board, uint32_t generation)
{
    assert(board->writable);

    atomic_store_explicit(&board->head->generation, generation, memory_order_release);
}

struct available_set *
board_available_writable(struct board *board)
{
    assert(board->writable);

    return board->available;
}

struct board_pulse *
board_pulse_writable(struct board *board, uint32_t slot)
{
    assert(board->writable);
    assert(slot < board->slots);

    return &board->pulses[slot];
}

void
board_set_detail(struct board *board, uint32_t slot, const struct board_detail *detail)
{
    struct detail_cell *cell;

    assert(board->writable);
    assert(slot < board->slots);

    cell = &board->details[slot];
    cell_write(&cell->sequence, cell->words, detail, DETAIL_WORDS);
}

void
board_set_summary(struct board *board, const struct board_summary *summary)
{
    assert(board->writable);

    cell_write(&board->head->summary.sequence, board->head->summary.words, summary,
               SUMMARY_WORDS);
}

void
board_beat(struct board *board, uint64_t now_ms)
{
    assert(board->writable);

    atomic_store_explicit(&board->head->beat_ms, now_ms, memory_order_relaxed);
}

void
board_fetch_beat(const struct board *board)
{
    PREFETCH(&board->head->beat_ms);
}

void
board_set_lag(struct board *board, const struct board_lag *lag)
{
    assert(board->writable);

    atomic_words_store(board->head->lag, lag, LAG_WORDS);
}

void
board_set_next_id(struct board *board, uint32_t id)
{
    assert(board->writable);

    atomic_store_explicit(&board->head->next_id, id, memory_order_relaxed);
}
