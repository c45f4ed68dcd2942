/* test_cachemiss.c: jobs go to as many threads as were asked for, and come back in the order in which they were done.
 *
 * Every job waits at a gate of its own, so the order of things is ours to choose and no test depends on luck. Run it
 * under the thread sanitizer too: the results are read without a lock. */
#include "base/cachemiss.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>

#include "check.h"

enum { JOBS_MAX = 64 };

struct gated {
    struct tux_job job; /* first */
    sem_t begun, gate;
    int number;
    bool signals_blocked;
};

static struct gated jobs[JOBS_MAX];
static _Atomic int inside, inside_most;
static int context;

static void perform(struct tux_job *job, void *given)
{
    struct gated *g = (struct gated *)(void *)job;
    sigset_t blocked;
    CHECK(given == &context);
    int now = atomic_fetch_add(&inside, 1) + 1, most = atomic_load(&inside_most);
    while (now > most && !atomic_compare_exchange_weak(&inside_most, &most, now)) continue;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    g->signals_blocked = sigismember(&blocked, SIGTERM) == 1 && sigismember(&blocked, SIGINT) == 1;
    sem_post(&g->begun);
    while (sem_wait(&g->gate) != 0) continue;
    job->result = g->number * 10;
    atomic_fetch_sub(&inside, 1);
}

static void fresh_jobs(void)
{
    inside_most = 0;
    for (int i = 0; i < JOBS_MAX; i++) {
        jobs[i] = (struct gated){.job = {.perform = perform, .result = -1}, .number = i};
        sem_init(&jobs[i].begun, 0, 0);
        sem_init(&jobs[i].gate, 0, 0);
    }
}

static struct tux_cachemiss *pool_of(unsigned threads, int knock_fd)
{
    struct tux_cachemiss *pool = NULL;
    fresh_jobs();
    CHECK_EQ(tux_cachemiss_open(&pool, threads, knock_fd, &context), 0);
    return pool;
}

static void post(struct tux_cachemiss *pool, int number) { tux_cachemiss_post(pool, &jobs[number].job); }
static void has_begun(int number) { while (sem_wait(&jobs[number].begun) != 0) continue; }
static void let_go(int number) { sem_post(&jobs[number].gate); }

static void knocked(int knock_fd)
{
    u64 knocks;
    CHECK(check_readable(knock_fd, CHECK_LIMIT_MS));
    CHECK_EQ(read(knock_fd, &knocks, sizeof knocks), sizeof knocks);
}

/* The next of a list that take() gave. */
static struct tux_job *is_job(struct tux_job *job, int number)
{
    CHECK(job == &jobs[number].job);
    CHECK_EQ(job->result, number * 10);
    return job->next;
}

static void one_thread_keeps_the_order(void)
{
    int knock_fd = check_eventfd();
    struct tux_cachemiss *pool = pool_of(1, knock_fd);
    CHECK(tux_cachemiss_take(pool) == NULL);
    for (int i = 0; i < 4; i++) post(pool, i);
    has_begun(0);
    CHECK_EQ(tux_cachemiss_queued(pool), 3);
    for (int i = 0; i < 3; i++) let_go(i);
    has_begun(3); /* so 0 to 2 have been given back */
    CHECK_EQ(tux_cachemiss_queued(pool), 0);
    CHECK(is_job(is_job(is_job(tux_cachemiss_take(pool), 0), 1), 2) == NULL);
    CHECK(tux_cachemiss_take(pool) == NULL);
    let_go(3);
    tux_cachemiss_close(pool);
    close(knock_fd);
}

/* Two threads: 0 begins first and is done last. Job 3 can only begin on the thread that has given 0 back. */
static void what_is_done_first_comes_back_first(void)
{
    int knock_fd = check_eventfd();
    struct tux_cachemiss *pool = pool_of(2, knock_fd);
    post(pool, 0);
    has_begun(0);
    post(pool, 1);
    post(pool, 2);
    has_begun(1);
    let_go(1);
    has_begun(2);
    post(pool, 3);
    let_go(0);
    has_begun(3);
    CHECK(is_job(is_job(tux_cachemiss_take(pool), 1), 0) == NULL);
    let_go(2);
    let_go(3);
    tux_cachemiss_close(pool);
    close(knock_fd);
}

/* A knock for each job that finds the list empty; whoever takes the list after a knock misses none. */
static void each_return_is_announced(void)
{
    int knock_fd = check_eventfd();
    struct tux_cachemiss *pool = pool_of(2, knock_fd);
    CHECK(!check_readable(knock_fd, 0));
    for (int i = 0; i < 5; i++) {
        post(pool, i);
        has_begun(i);
        CHECK(!check_readable(knock_fd, 0));
        let_go(i);
        knocked(knock_fd);
        CHECK(is_job(tux_cachemiss_take(pool), i) == NULL);
    }
    tux_cachemiss_close(pool);
    close(knock_fd);
}

static void threads_are_bounded(void)
{
    enum { THREADS = 3, JOBS = 12 };
    int knock_fd = check_eventfd(), back = 0;
    struct tux_cachemiss *pool = pool_of(THREADS, knock_fd);
    for (int i = 0; i < JOBS; i++) post(pool, i);
    for (int i = 0; i < THREADS; i++) has_begun(i);
    CHECK_EQ(atomic_load(&inside), THREADS);
    CHECK_EQ(tux_cachemiss_queued(pool), JOBS - THREADS);
    for (int i = 0; i < JOBS; i++) let_go(i);
    while (back < JOBS) {
        knocked(knock_fd);
        for (struct tux_job *job = tux_cachemiss_take(pool); job; job = job->next, back++)
            CHECK(((struct gated *)(void *)job)->signals_blocked);
    }
    CHECK_EQ(atomic_load(&inside_most), THREADS);
    tux_cachemiss_close(pool);
    close(knock_fd);
}

/* Many rounds with nothing but the knock to go by: a lost wake-up would end the program by its limit. */
static void nothing_is_lost_under_load(void)
{
    enum { ROUNDS = 200 };
    int knock_fd = check_eventfd();
    struct tux_cachemiss *pool = pool_of(4, knock_fd);
    for (int round = 0; round < ROUNDS; round++) {
        int back = 0;
        for (int i = 0; i < JOBS_MAX; i++) {
            jobs[i].job.result = -1;
            let_go(i);
            post(pool, i);
        }
        while (back < JOBS_MAX) {
            knocked(knock_fd);
            for (struct tux_job *job = tux_cachemiss_take(pool); job; job = job->next, back++)
                CHECK_EQ(job->result, ((struct gated *)(void *)job)->number * 10);
        }
    }
    CHECK_EQ(tux_cachemiss_queued(pool), 0);
    tux_cachemiss_close(pool);
    close(knock_fd);
}

static void *open_gate_later(void *gate)
{
    sem_post(gate);
    return NULL;
}

/* Stopping waits for the job that is being done, and performs no other; all come back the same, the done first. */
static void stop_gives_back_what_is_queued(void)
{
    enum { JOBS = 6 };
    int knock_fd = check_eventfd(), back = 0, done = 0;
    pthread_t opener;
    struct tux_cachemiss *pool = pool_of(1, knock_fd);
    for (int i = 0; i < JOBS; i++) post(pool, i);
    has_begun(0);
    for (int i = 1; i < JOBS; i++) let_go(i);
    CHECK_EQ(pthread_create(&opener, NULL, open_gate_later, &jobs[0].gate), 0);
    tux_cachemiss_stop(pool);
    pthread_join(opener, NULL);
    CHECK_EQ(atomic_load(&inside), 0);
    CHECK_EQ(tux_cachemiss_queued(pool), 0);
    for (int i = 0; i < JOBS; i++) done += jobs[i].job.result != -1;
    CHECK(done >= 1); /* how many is the scheduler's choice */
    for (struct tux_job *job = tux_cachemiss_take(pool); job; job = job->next, back++) {
        CHECK(job == &jobs[back].job);
        CHECK_EQ(job->result, back < done ? back * 10 : -1);
    }
    CHECK_EQ(back, JOBS);
    tux_cachemiss_close(pool);
    close(knock_fd);
}

static void close_drops_what_is_queued(void)
{
    int knock_fd = check_eventfd();
    struct tux_cachemiss *pool = pool_of(1, knock_fd);
    for (int i = 0; i < 6; i++) post(pool, i);
    for (int i = 0; i < 6; i++) let_go(i);
    tux_cachemiss_close(pool);
    CHECK_EQ(atomic_load(&inside), 0);
    close(knock_fd);
}

static void close_of_an_idle_pool_returns(void)
{
    int knock_fd = check_eventfd();
    tux_cachemiss_close(pool_of(4, knock_fd));
    tux_cachemiss_close(pool_of(0, knock_fd));
    tux_cachemiss_close(NULL);
    CHECK(!check_readable(knock_fd, 0));
    close(knock_fd);
}

int main(void)
{
    one_thread_keeps_the_order();
    what_is_done_first_comes_back_first();
    each_return_is_announced();
    threads_are_bounded();
    nothing_is_lost_under_load();
    stop_gives_back_what_is_queued();
    close_drops_what_is_queued();
    close_of_an_idle_pool_returns();
    return 0;
}
