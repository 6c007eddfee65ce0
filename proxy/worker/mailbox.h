/*
 * mailbox - messages from thread to thread: a locked list and a way to wake the receiver.
 *
 * For orders and answers, a few in a lifetime of an app; never on the path of a connection.
 * Senders: any thread. Receiver: one.
 */
#ifndef FPROXY_WORKER_MAILBOX_H
#define FPROXY_WORKER_MAILBOX_H

#include <pthread.h>
#include <sys/queue.h>

struct mail {
    STAILQ_ENTRY(mail) link;
};

typedef void mailbox_wake_fn(void *context);

struct mailbox {
    pthread_mutex_t mutex;
    STAILQ_HEAD(, mail) list;
    mailbox_wake_fn *wake;      /* called by the sender, after the mail is in */
    void *context;
};

void mailbox_init(struct mailbox *box, mailbox_wake_fn *wake, void *context);
void mailbox_fini(struct mailbox *box);
void mailbox_put(struct mailbox *box, struct mail *mail);

/* The oldest mail, or NULL. */
struct mail *mailbox_take(struct mailbox *box);

#endif
