/* mailbox - see mailbox.h. */
#include "proxy/worker/mailbox.h"

#include <stddef.h>

void
mailbox_init(struct mailbox *box, mailbox_wake_fn *wake, void *context)
{
    pthread_mutex_init(&box->mutex, NULL);
    STAILQ_INIT(&box->list);
    box->wake = wake;
    box->context = context;
}

void
mailbox_fini(struct mailbox *box)
{
    pthread_mutex_destroy(&box->mutex);
}

void
mailbox_put(struct mailbox *box, struct mail *mail)
{
    pthread_mutex_lock(&box->mutex);
    STAILQ_INSERT_TAIL(&box->list, mail, link);
    pthread_mutex_unlock(&box->mutex);
    box->wake(box->context);
}

struct mail *
mailbox_take(struct mailbox *box)
{
    struct mail *mail;

    pthread_mutex_lock(&box->mutex);
    mail = STAILQ_FIRST(&box->list);
    if (mail != NULL)
        STAILQ_REMOVE_HEAD(&box->list, link);
    pthread_mutex_unlock(&box->mutex);
    return mail;
}
