/* cachemiss.c: bounded workers with one queue in and one list out.
 *
 * A mutex and a condition, nothing cleverer: only work that is about to wait for a disk comes here, and that costs ten
 * to ten thousand times what the lock does. */
#include "cachemiss.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

struct job_list {
    struct tux_job *head, **tail;
};

struct tux_cachemiss {
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct job_list queued, done;
    u32 queue_length, busy;
    bool stop;
    int knock_fd;
    void *context;
    unsigned threads;
    pthread_t thread[];
};

static void push(struct job_list *list, struct tux_job *job)
{
    job->next = NULL;
    *list->tail = job;
    list->tail = &job->next;
}

static struct tux_job *pop(struct job_list *list)
{
    struct tux_job *job = list->head;
    if (job) {
        list->head = job->next;
        if (!list->head) list->tail = &list->head;
    }
    return job;
}

static void *worker(void *argument)
{
    struct tux_cachemiss *pool = argument;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (!pool->stop && !pool->queued.head) pthread_cond_wait(&pool->more, &pool->lock);
        if (pool->stop) break;
        struct tux_job *job = pop(&pool->queued);
        pool->queue_length--;
        pool->busy++;
        pthread_mutex_unlock(&pool->lock);
        job->perform(job, pool->context);
        pthread_mutex_lock(&pool->lock);
        pool->busy--;
        bool first = !pool->done.head;
        push(&pool->done, job);
        u64 one = 1;
        if (first && write(pool->knock_fd, &one, sizeof one) < 0) TUX_ASSERT(errno == EAGAIN || errno == EINTR);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

int tux_cachemiss_open(struct tux_cachemiss **out, unsigned threads, int knock_fd, void *context)
{
    struct tux_cachemiss *pool = calloc(1, sizeof *pool + threads * sizeof pool->thread[0]);
    if (!pool) return -ENOMEM;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->more, NULL);
    pool->queued.tail = &pool->queued.head;
    pool->done.tail = &pool->done.head;
    pool->knock_fd = knock_fd;
    pool->context = context;
    sigset_t all, before; /* signals belong to Python's main thread */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = 0;
    while (!failed && pool->threads < threads) {
        failed = pthread_create(&pool->thread[pool->threads], NULL, worker, pool);
        if (!failed) pool->threads++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        tux_cachemiss_close(pool);
        return -failed;
    }
    *out = pool;
    return 0;
}

void tux_cachemiss_post(struct tux_cachemiss *pool, struct tux_job *job)
{
    pthread_mutex_lock(&pool->lock);
    push(&pool->queued, job);
    pool->queue_length++;
    pthread_cond_signal(&pool->more);
    pthread_mutex_unlock(&pool->lock);
}

struct tux_job *tux_cachemiss_take(struct tux_cachemiss *pool)
{
    pthread_mutex_lock(&pool->lock);
    struct tux_job *jobs = pool->done.head;
    pool->done.head = NULL;
    pool->done.tail = &pool->done.head;
    pthread_mutex_unlock(&pool->lock);
    return jobs;
}

u32 tux_cachemiss_queued(struct tux_cachemiss *pool)
{
    pthread_mutex_lock(&pool->lock);
    u32 length = pool->queue_length;
    pthread_mutex_unlock(&pool->lock);
    return length;
}

u32 tux_cachemiss_busy(struct tux_cachemiss *pool)
{
    pthread_mutex_lock(&pool->lock);
    u32 busy = pool->busy;
    pthread_mutex_unlock(&pool->lock);
    return busy;
}

void tux_cachemiss_stop(struct tux_cachemiss *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->stop = true;
    pthread_cond_broadcast(&pool->more);
    pthread_mutex_unlock(&pool->lock);
    while (pool->threads > 0) pthread_join(pool->thread[--pool->threads], NULL);
    for (struct tux_job *job; (job = pop(&pool->queued)) != NULL;) push(&pool->done, job);
    pool->queue_length = 0;
}

void tux_cachemiss_close(struct tux_cachemiss *pool)
{
    if (!pool) return;
    tux_cachemiss_stop(pool);
    pthread_cond_destroy(&pool->more);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}
