/* queue - see queue.h. */
#include "store/queue.h"

#include <errno.h>
#include <stdlib.h>

void
queue_init(struct queue *queue)
{
    *queue = (struct queue){ 0 };
    for (size_t i = 0; i < WORTHS; i++)
        STAILQ_INIT(&queue->lists[i]);
}

void
queue_fini(struct queue *queue)
{
    for (size_t i = 0; i < WORTHS; i++)
        entry_list_free(&queue->lists[i]);
}

static struct entry *
queue_pop(struct queue *queue, struct entry_list *list)
{
    struct entry *entry = STAILQ_FIRST(list);

    if (entry == NULL)
        return NULL;
    STAILQ_REMOVE_HEAD(list, link);
    queue->count--;
    queue->bytes -= entry->bytes;
    if (writes[entry->write].at_once)
        queue->at_once--;
    return entry;
}

static bool
queue_fits(const struct queue *queue, const struct entry *entry, uint32_t count_max)
{
    return queue->count < count_max && queue->bytes + entry->bytes <= QUEUE_BYTES_MAX;
}

/* Drops the oldest of the least precious, as long as it is less so than `worth`. */
static bool
queue_drop_lesser(struct queue *queue, enum write_worth worth)
{
    for (size_t i = 0; i < worth; i++) {
        struct entry *victim = queue_pop(queue, &queue->lists[i]);

        if (victim == NULL)
            continue;
        free(victim);
        queue->dropped++;
        return true;
    }
    return false;
}

int
queue_put(struct queue *queue, struct entry *entry, uint32_t count_max)
{
    enum write_worth worth = writes[entry->write].worth;

    while (!queue_fits(queue, entry, count_max)) {
        if (queue_drop_lesser(queue, worth))
            continue;
        queue->dropped++;
        free(entry);
        return -ENOBUFS;
    }
    STAILQ_INSERT_TAIL(&queue->lists[worth], entry, link);
    queue->count++;
    queue->bytes += entry->bytes;
    if (writes[entry->write].at_once)
        queue->at_once++;
    return 0;
}

uint32_t
queue_take(struct queue *queue, struct entry_list *batch, uint32_t count_max)
{
    uint32_t taken = 0;

    for (size_t i = WORTHS; i-- > 0;) {
        struct entry *entry;

        while (taken < count_max && (entry = queue_pop(queue, &queue->lists[i])) != NULL) {
            STAILQ_INSERT_TAIL(batch, entry, link);
            taken++;
        }
    }
    return taken;
}
