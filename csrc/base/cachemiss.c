/* cachemiss.c: bounded workers with queues in and one list out. Light jobs go first, and have a thread of their own
 * besides, so that no number of slow reads delays them. Far jobs have threads of their own, since they may hang.
 *
 * A mutex and a condition will do: only work that is about to wait for a disk comes here, and that costs ten to ten
 * thousand times as much as the lock. */
#include "base/cachemiss.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

struct job_list {
    struct tux_job *head, **tail;
};

struct tux_cachemiss {
    pthread_mutex_t lock;
    pthread_cond_t more, more_light, more_far;
    struct job_list queued, light, far, done;
    u32 queue_length, busy;
    bool stop, hangs;
    bool light_is_idle; /* the thread for light jobs waits, and was not woken yet */
    int knock_fd;
    void *context;
    unsigned threads, far_begun, far_threads; /* far_threads: those that have found their place */
    pthread_t far_thread[TUX_FAR_WORKERS];
    u64 far_at[TUX_FAR_WORKERS]; /* the file systems for which they work; 0: none */
    pthread_t thread[]; /* the first one is for light jobs */
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
    job->begun = true;
    pthread_mutex_unlock(&pool->lock);
    job->perform(job, pool->context);
    pthread_mutex_lock(&pool->lock);
    job->begun = false;
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

/* The oldest job of a file system for which fewer than half of the workers work. */
static struct tux_job *pop_far(struct tux_cachemiss *pool)
{
    for (struct tux_job **link = &pool->far.head; *link; link = &(*link)->next) {
        struct tux_job *job = *link;
        unsigned there = 0;
        for (unsigned i = 0; i < TUX_FAR_WORKERS; i++) there += pool->far_at[i] == job->place;
        if (there >= TUX_FAR_WORKERS / 2) continue;
        *link = job->next;
        if (!*link) pool->far.tail = link;
        return job;
    }
    return NULL;
}

static void *far_worker(void *argument)
{
    struct tux_cachemiss *pool = argument;
    pthread_mutex_lock(&pool->lock);
    unsigned number = pool->far_threads++;
    while (!pool->stop) {
        struct tux_job *job = pop_far(pool);
        if (!job) {
            pthread_cond_wait(&pool->more_far, &pool->lock);
            continue;
        }
        pool->far_at[number] = job->place;
        perform(pool, job);
        pool->far_at[number] = 0;
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* The lock is held. Starts all of them or none, so that some are always left for another file system. */
static bool begin_far(struct tux_cachemiss *pool)
{
    if (pool->far_begun == TUX_FAR_WORKERS) return true;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (pool->far_begun < TUX_FAR_WORKERS &&
           pthread_create(&pool->far_thread[pool->far_begun], NULL, far_worker, pool) == 0)
        pool->far_begun++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pool->far_begun > 0;
}

int tux_cachemiss_open(struct tux_cachemiss **out, unsigned threads, int knock_fd, void *context)
{
    struct tux_cachemiss *pool = calloc(1, sizeof *pool + (threads + 1) * sizeof pool->thread[0]);
    if (!pool) return -ENOMEM;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->more, NULL);
    pthread_cond_init(&pool->more_light, NULL);
    pthread_cond_init(&pool->more_far, NULL);
    pool->queued.tail = &pool->queued.head;
    pool->light.tail = &pool->light.head;
    pool->far.tail = &pool->far.head;
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

static void post(struct tux_cachemiss *pool, struct tux_job *job, bool light)
{
    pthread_mutex_lock(&pool->lock);
    bool far = job->place != 0 && begin_far(pool);
    push(far ? &pool->far : light ? &pool->light : &pool->queued, job);
    pool->queue_length++;
    if (far) {
        pthread_cond_broadcast(&pool->more_far); /* the woken thread may be one too many for this file system */
    } else if (light) {
        pthread_cond_signal(pool->light_is_idle ? &pool->more_light : &pool->more);
        pool->light_is_idle = false;
    } else {
        pthread_cond_signal(&pool->more);
    }
    pthread_mutex_unlock(&pool->lock);
}

void tux_cachemiss_post(struct tux_cachemiss *pool, struct tux_job *job) { post(pool, job, false); }
void tux_cachemiss_post_light(struct tux_cachemiss *pool, struct tux_job *job) { post(pool, job, true); }

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

/* False: it hangs. Then it is detached, and ends with the process. */
static bool join(pthread_t thread, const struct timespec *until)
{
    if (pthread_timedjoin_np(thread, NULL, until) == 0) return true;
    (void)pthread_detach(thread);
    return false;
}

bool tux_cachemiss_stop(struct tux_cachemiss *pool)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += TUX_STOP_S;
    pthread_mutex_lock(&pool->lock);
    pool->stop = true;
    pthread_cond_broadcast(&pool->more);
    pthread_cond_broadcast(&pool->more_light);
    pthread_cond_broadcast(&pool->more_far);
    pthread_mutex_unlock(&pool->lock);
    while (pool->threads > 0) pool->hangs |= !join(pool->thread[--pool->threads], &until);
    while (pool->far_begun > 0) pool->hangs |= !join(pool->far_thread[--pool->far_begun], &until);
    pthread_mutex_lock(&pool->lock);
    for (struct tux_job *job; (job = pop(&pool->light)) != NULL;) push(&pool->done, job);
    for (struct tux_job *job; (job = pop(&pool->queued)) != NULL;) push(&pool->done, job);
    for (struct tux_job *job; (job = pop(&pool->far)) != NULL;) push(&pool->done, job);
    pool->queue_length = 0;
    pthread_mutex_unlock(&pool->lock);
    return !pool->hangs;
}

bool tux_cachemiss_is_over(const struct tux_cachemiss *pool) { return pool->stop; }
bool tux_cachemiss_hangs(const struct tux_cachemiss *pool) { return pool->hangs; }

void tux_cachemiss_close(struct tux_cachemiss *pool)
{
    if (!pool) return;
    if (!tux_cachemiss_stop(pool)) return;
    pthread_cond_destroy(&pool->more_far);
    pthread_cond_destroy(&pool->more_light);
    pthread_cond_destroy(&pool->more);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}
