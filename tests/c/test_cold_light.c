/* test_cold_light.c: what is light is never kept waiting by what is not, however much of that there is. */
#include "base/cachemiss.h"

#include <pthread.h>
#include <semaphore.h>

#include "check.h"

enum { JOBS = 8 };

struct gated {
    struct tux_job job; /* first */
    sem_t begun, gate;
};

static struct gated heavy[JOBS], light[JOBS];
static _Atomic int order;

static void perform(struct tux_job *job, void *context)
{
    (void)context;
    struct gated *g = (struct gated *)(void *)job;
    sem_post(&g->begun);
    while (sem_wait(&g->gate) != 0) continue;
    job->result = atomic_fetch_add(&order, 1);
}

static struct tux_cachemiss *pool_of(unsigned threads, int knock_fd)
{
    struct tux_cachemiss *pool = NULL;
    order = 0;
    for (int i = 0; i < JOBS; i++) {
        struct gated *both[] = {&heavy[i], &light[i]};
        for (int k = 0; k < 2; k++) {
            *both[k] = (struct gated){.job = {.perform = perform, .result = -1}};
            sem_init(&both[k]->begun, 0, 0);
            sem_init(&both[k]->gate, 0, 0);
        }
    }
    CHECK_EQ(tux_cachemiss_open(&pool, threads, knock_fd, NULL), 0);
    return pool;
}

static void has_begun(struct gated *g)
{
    struct timespec limit;
    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += CHECK_LIMIT_MS / 1000;
    while (sem_timedwait(&g->begun, &limit) != 0) CHECK(errno == EINTR);
}

static u32 take(struct tux_cachemiss *pool, int knock_fd, u32 wanted)
{
    u32 count = 0;
    u64 knocks;
    while (count < wanted) {
        CHECK(check_readable(knock_fd, CHECK_LIMIT_MS));
        CHECK_EQ(read(knock_fd, &knocks, sizeof knocks), sizeof knocks);
        for (struct tux_job *job = tux_cachemiss_take(pool); job; job = job->next) count++;
    }
    return count;
}

/* All workers are held, and more waits: what is light is done all the same, one after the other. */
static void held_workers_hold_nothing_light(void)
{
    int knock_fd = check_eventfd();
    struct tux_cachemiss *pool = pool_of(2, knock_fd);
    for (int i = 0; i < JOBS; i++) tux_cachemiss_post(pool, &heavy[i].job);
    has_begun(&heavy[0]);
    has_begun(&heavy[1]);
    for (int i = 0; i < JOBS; i++) {
        sem_post(&light[i].gate);
        tux_cachemiss_post_light(pool, &light[i].job);
        has_begun(&light[i]);
    }
    CHECK_EQ(take(pool, knock_fd, JOBS), JOBS);
    CHECK_EQ(tux_cachemiss_queued(pool), JOBS - 2);
    for (int i = 0; i < JOBS; i++) sem_post(&heavy[i].gate);
    CHECK_EQ(take(pool, knock_fd, JOBS), JOBS);
    tux_cachemiss_close(pool);
    close(knock_fd);
}

/* When the thread for it is busy too, what is light goes before what waits longer. */
static void light_goes_first(void)
{
    int knock_fd = check_eventfd();
    struct tux_cachemiss *pool = pool_of(1, knock_fd);
    tux_cachemiss_post(pool, &heavy[0].job);
    has_begun(&heavy[0]);
    tux_cachemiss_post_light(pool, &light[0].job);
    has_begun(&light[0]);
    for (int i = 1; i < 4; i++) tux_cachemiss_post(pool, &heavy[i].job);
    for (int i = 1; i < 4; i++) tux_cachemiss_post_light(pool, &light[i].job);
    for (int i = 1; i < 4; i++) {
        sem_post(&heavy[i].gate);
        sem_post(&light[i].gate);
    }
    sem_post(&heavy[0].gate); /* the worker is free: it takes the light ones, which have come last */
    CHECK_EQ(take(pool, knock_fd, 7), 7);
    for (int i = 1; i < 4; i++)
        for (int k = 1; k < 4; k++) CHECK(light[i].job.result < heavy[k].job.result);
    sem_post(&light[0].gate);
    CHECK_EQ(take(pool, knock_fd, 1), 1);
    tux_cachemiss_close(pool);
    close(knock_fd);
}

/* A thread that takes everything helps when the other is busy. */
static void an_idle_worker_takes_what_is_light(void)
{
    int knock_fd = check_eventfd();
    struct tux_cachemiss *pool = pool_of(1, knock_fd);
    tux_cachemiss_post_light(pool, &light[0].job);
    tux_cachemiss_post_light(pool, &light[1].job);
    has_begun(&light[0]);
    has_begun(&light[1]);
    sem_post(&light[0].gate);
    sem_post(&light[1].gate);
    CHECK_EQ(take(pool, knock_fd, 2), 2);
    tux_cachemiss_close(pool);
    close(knock_fd);
}

static void *open_gates(void *nothing)
{
    sem_post(&heavy[0].gate);
    sem_post(&light[0].gate);
    return nothing;
}

static void stop_gives_back_both(void)
{
    int knock_fd = check_eventfd(), back = 0;
    struct tux_cachemiss *pool = pool_of(1, knock_fd);
    pthread_t opener;
    tux_cachemiss_post(pool, &heavy[0].job);
    has_begun(&heavy[0]);
    tux_cachemiss_post_light(pool, &light[0].job);
    has_begun(&light[0]);
    for (int i = 1; i < 4; i++) {
        tux_cachemiss_post(pool, &heavy[i].job);
        tux_cachemiss_post_light(pool, &light[i].job);
        sem_post(&heavy[i].gate);
        sem_post(&light[i].gate);
    }
    CHECK_EQ(pthread_create(&opener, NULL, open_gates, NULL), 0);
    tux_cachemiss_stop(pool);
    pthread_join(opener, NULL);
    for (struct tux_job *job = tux_cachemiss_take(pool); job; job = job->next) back++;
    CHECK_EQ(back, 8);
    CHECK_EQ(tux_cachemiss_queued(pool), 0);
    tux_cachemiss_close(pool);
    close(knock_fd);
}

int main(void)
{
    held_workers_hold_nothing_light();
    light_goes_first();
    an_idle_worker_takes_what_is_light();
    stop_gives_back_both();
    return 0;
}
