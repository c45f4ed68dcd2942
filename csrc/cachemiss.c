/* cachemiss.c: bounded workers with two queues in and one list out. What is light goes first, and has a thread of its
 * own besides, so that no number of slow reads keeps it waiting.
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
    pthread_cond_t more, more_light;
    struct job_list queued, light, done;
    u32 queue_length, busy;
    bool stop;
    bool light_is_idle; /* the thread for what is light waits, and nobody has woken it */
    int knock_fd;
    void *context;
    unsigned threads;
    pthread_t thread[]; /* the first one is for what is light */
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

/* The lock is held, but not while the job is done. */
static void perform(struct tux_cachemiss *pool, struct tux_job *job)
{
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

static void *worker(void *argument)
{
    struct tux_cachemiss *pool = argument;
    pthread_mutex_lock(&pool->lock);
    while (!pool->stop) {
        struct tux_job *job = pop(&pool->light);
        if (!job) job = pop(&pool->queued);
        if (job) perform(pool, job);
        else pthread_cond_wait(&pool->more, &pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static void *light_worker(void *argument)
{
    struct tux_cachemiss *pool = argument;
    pthread_mutex_lock(&pool->lock);
    while (!pool->stop) {
        struct tux_job *job = pop(&pool->light);
        if (job) {
            perform(pool, job);
            continue;
        }
        pool->light_is_idle = true;
        pthread_cond_wait(&pool->more_light, &pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

int tux_cachemiss_open(struct tux_cachemiss **out, unsigned threads, int knock_fd, void *context)
{
    struct tux_cachemiss *pool = calloc(1, sizeof *pool + (threads + 1) * sizeof pool->thread[0]);
    if (!pool) return -ENOMEM;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->more, NULL);
    pthread_cond_init(&pool->more_light, NULL);
    pool->queued.tail = &pool->queued.head;
    pool->light.tail = &pool->light.head;
    pool->done.tail = &pool->done.head;
    pool->knock_fd = knock_fd;
    pool->context = context;
    sigset_t all, before; /* signals belong to Python's main thread */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = 0;
    while (!failed && pool->threads < threads + 1) {
        void *(*body)(void *) = pool->threads == 0 ? light_worker : worker;
        failed = pthread_create(&pool->thread[pool->threads], NULL, body, pool);
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

void tux_cachemiss_post_light(struct tux_cachemiss *pool, struct tux_job *job)
{
    pthread_mutex_lock(&pool->lock);
    push(&pool->light, job);
    pool->queue_length++;
    pthread_cond_signal(pool->light_is_idle ? &pool->more_light : &pool->more);
    pool->light_is_idle = false;
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
    pthread_cond_broadcast(&pool->more_light);
    pthread_mutex_unlock(&pool->lock);
    while (pool->threads > 0) pthread_join(pool->thread[--pool->threads], NULL);
    for (struct tux_job *job; (job = pop(&pool->light)) != NULL;) push(&pool->done, job);
    for (struct tux_job *job; (job = pop(&pool->queued)) != NULL;) push(&pool->done, job);
    pool->queue_length = 0;
}

void tux_cachemiss_close(struct tux_cachemiss *pool)
{
    if (!pool) return;
    tux_cachemiss_stop(pool);
    pthread_cond_destroy(&pool->more_light);
    pthread_cond_destroy(&pool->more);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}
