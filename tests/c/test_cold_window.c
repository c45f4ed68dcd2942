/* test_cold_window.c: the table of windows: one fetch for all who want the same, bounds on what is fetched ahead, and
 * what is believed for how long. The workers stand at a gate of ours, so what is under way stays so until we say. */
#include "chain/window.h"

#include <semaphore.h>

#include "check.h"

enum { WINDOW = TUX_WINDOW_BYTES, WORKERS = 2, NOW = 5000 };

static struct stand {
    struct tux_cachemiss *pool;
    struct tux_metrics metrics;
    struct tux_windows windows;
    int knock, fd;
    struct tux_file file;
    sem_t gate;
    struct tux_job held[WORKERS];
} s;

static void wait_at_gate(struct tux_job *job, void *context)
{
    (void)job, (void)context;
    while (sem_wait(&s.gate) != 0) continue;
}

static void open_stand(int fd)
{
    s.knock = check_eventfd();
    s.fd = fd;
    s.metrics = (struct tux_metrics){0};
    CHECK_EQ(sem_init(&s.gate, 0, 0), 0);
    CHECK_EQ(tux_cachemiss_open(&s.pool, WORKERS, s.knock, NULL), 0);
    tux_windows_open(&s.windows, s.pool, WORKERS, &s.metrics);
    s.file = tux_file_of(fd);
    for (int i = 0; i < WORKERS; i++) {
        s.held[i] = (struct tux_job){.perform = wait_at_gate};
        tux_cachemiss_post(s.pool, &s.held[i]);
    }
}

static void open_gate(void)
{
    for (int i = 0; i < WORKERS; i++) sem_post(&s.gate);
}

/* Everything that has been done so far: the number of fetches among it. */
static u32 take_done(u64 now_ms)
{
    u32 count = 0;
    for (struct tux_job *job = tux_cachemiss_take(s.pool), *next; job; job = next) {
        next = job->next;
        struct tux_fetch *fetch = tux_window_of_job(&s.windows, job);
        if (!fetch) continue;
        tux_window_done(&s.windows, fetch, now_ms);
        count++;
    }
    return count;
}

static void finish_fetches(u32 wanted)
{
    u64 knocks;
    open_gate();
    for (u32 done = 0; done < wanted; done += take_done(NOW)) {
        CHECK(check_readable(s.knock, CHECK_LIMIT_MS));
        CHECK_EQ(read(s.knock, &knocks, sizeof knocks), sizeof knocks);
    }
    CHECK_EQ(s.windows.taken, 0);
}

static void close_stand(void)
{
    open_gate();
    tux_cachemiss_stop(s.pool);
    take_done(NOW);
    CHECK_EQ(s.windows.taken, 0);
    tux_cachemiss_close(s.pool);
    close(s.knock);
    close(s.fd);
}

static int memory(size_t bytes)
{
    int fd = memfd_create("file", MFD_CLOEXEC);
    CHECK(fd >= 0);
    CHECK_EQ(ftruncate(fd, (off_t)bytes), 0);
    return fd;
}

static enum tux_look look(u64 from, u64 to, u64 now_ms)
{
    return tux_window_look(&s.windows, &s.file, s.fd, from, to, now_ms);
}

static u32 fetch(u64 from, u64 to) { return tux_window_fetch(&s.windows, &s.file, s.fd, from, to); }
static void ahead(u64 from, u64 to) { tux_window_ahead(&s.windows, &s.file, s.fd, from, to, NOW); }

static void windows_end_at_their_borders(void)
{
    CHECK_EQ(tux_window_end(0, 10), 10);
    CHECK_EQ(tux_window_end(0, WINDOW), WINDOW);
    CHECK_EQ(tux_window_end(0, WINDOW + 1), WINDOW);
    CHECK_EQ(tux_window_end(WINDOW - 1, 9 * WINDOW), WINDOW);
    CHECK_EQ(tux_window_end(WINDOW, 9 * WINDOW), 2 * WINDOW);
    CHECK_EQ(tux_window_end(INT64_MAX - 1, (u64)INT64_MAX + 5), (u64)INT64_MAX + 1);
}

/* Of a file system that nobody has asked yet even the kind is a worker's business; then it is known, for a while. */
static void memory_is_cold_once(void)
{
    open_stand(memory(4 * WINDOW));
    CHECK_EQ(look(0, WINDOW, NOW), TUX_LOOK_COLD);
    CHECK_EQ(fetch(0, WINDOW), 1);
    finish_fetches(1);
    CHECK_EQ(look(0, WINDOW, NOW), TUX_LOOK_HOT);
    CHECK_EQ(look(3 * WINDOW, 4 * WINDOW, NOW + TUX_DEVICE_MS - 1), TUX_LOOK_HOT);
    CHECK_EQ(look(0, WINDOW, NOW + TUX_DEVICE_MS), TUX_LOOK_COLD);
    CHECK_EQ(s.metrics.fetches, 1);
    close_stand();
}

static void who_wants_the_same_joins(void)
{
    open_stand(memory(4 * WINDOW));
    struct tux_file other = {.dev = s.file.dev, .ino = s.file.ino + 1, .regular = true};
    CHECK_EQ(fetch(0, WINDOW), 1);
    CHECK_EQ(fetch(0, WINDOW), 1);
    CHECK_EQ(fetch(100, WINDOW), 1);
    CHECK_EQ(fetch(WINDOW - 1, WINDOW), 1);
    CHECK_EQ(fetch(WINDOW, WINDOW + 5), 2);
    CHECK_EQ(fetch(WINDOW, 2 * WINDOW), 3); /* more than the one under way brings */
    CHECK_EQ(fetch(WINDOW, WINDOW + 6), 3);
    CHECK_EQ(tux_window_fetch(&s.windows, &other, s.fd, 0, WINDOW), 4);
    CHECK_EQ(s.windows.taken, 4);
    CHECK_EQ(s.metrics.fetches, 4);
    finish_fetches(4);
    CHECK_EQ(fetch(0, WINDOW), 1); /* what is over is not joined */
    close_stand();
}

static void what_is_fetched_ahead_is_bounded(void)
{
    open_stand(memory(64 * WINDOW));
    ahead(WINDOW, WINDOW); /* behind the end there is nothing */
    CHECK_EQ(s.windows.taken, 0);
    ahead(WINDOW, 2 * WINDOW);
    ahead(WINDOW, 2 * WINDOW);
    CHECK_EQ(s.windows.taken, 1);
    for (u64 i = 2; i < 60; i++) ahead(i * WINDOW, (i + 1) * WINDOW);
    CHECK_EQ(s.windows.taken, WORKERS);
    CHECK_EQ(s.metrics.fetched_ahead, WORKERS);
    CHECK_EQ(fetch(WINDOW, 2 * WINDOW), 1); /* who comes to it waits for it */
    CHECK_EQ(fetch(50 * WINDOW, 51 * WINDOW), WORKERS + 1); /* and who must wait is never refused */
    ahead(51 * WINDOW, 52 * WINDOW);
    CHECK_EQ(s.windows.taken, WORKERS + 1);
    finish_fetches(WORKERS + 1);
    ahead(3 * WINDOW, 4 * WINDOW); /* hot by now, all of it */
    CHECK_EQ(s.windows.taken, 0);
    close_stand();
}

static int descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 1024; fd++) count += check_is_open(fd);
    return count;
}

/* A full table refuses, and then each run has its own job; what was never performed is given back. */
static void a_full_table_says_so(void)
{
    int before = descriptors();
    open_stand(memory(WINDOW));
    for (u64 i = 0; i < TUX_FETCHES_MAX; i++) CHECK_EQ(fetch(i * WINDOW, (i + 1) * WINDOW), i + 1);
    CHECK_EQ(fetch(TUX_FETCHES_MAX * WINDOW, (TUX_FETCHES_MAX + 1) * (u64)WINDOW), 0);
    CHECK_EQ(fetch(5 * WINDOW, 6 * WINDOW), 6);
    CHECK_EQ(fetch(UINT64_MAX - 5, UINT64_MAX), 0);
    close_stand();
    CHECK_EQ(descriptors(), before);
}

static void no_descriptor_no_fetch(void)
{
    open_stand(memory(WINDOW));
    int fd = s.fd;
    s.fd = 9999;
    CHECK_EQ(fetch(0, WINDOW), 0);
    CHECK_EQ(s.windows.taken, 0);
    s.fd = fd;
    close_stand();
}

/* A fetch of which we write down what the worker has found. */
static void found(u64 from, u64 to, u8 store, u8 resident, i64 result)
{
    struct tux_fetch *f = &s.windows.fetch[fetch(from, to) - 1];
    u64 knocks;
    open_gate();
    for (bool back = false; !back;) {
        CHECK(check_readable(s.knock, CHECK_LIMIT_MS));
        CHECK_EQ(read(s.knock, &knocks, sizeof knocks), sizeof knocks);
        for (struct tux_job *job = tux_cachemiss_take(s.pool); job; job = job->next) back |= job == &f->job;
    }
    f->store = store;
    f->resident = resident;
    f->job.result = result;
    tux_window_done(&s.windows, f, NOW);
}

static void what_nobody_tells_is_believed_for_a_while(void)
{
    open_stand(memory(4 * WINDOW));
    found(0, WINDOW, TUX_STORE_STACKED, TUX_UNSURE, 0);
    CHECK_EQ(look(0, WINDOW, NOW), TUX_LOOK_HOT);
    CHECK_EQ(look(10, 20, NOW + TUX_UNSURE_MS - 1), TUX_LOOK_HOT);
    found(0, WINDOW, TUX_STORE_STACKED, TUX_RESIDENT, 0);
    CHECK_EQ(look(0, WINDOW, NOW + TUX_KNOWN_MS - 1), TUX_LOOK_HOT);
    found(0, 100, TUX_STORE_STACKED, TUX_UNSURE, 0);
    CHECK_EQ(look(0, 100, NOW), TUX_LOOK_HOT);
    close_stand();
}

/* It was read and is gone already: a worker must send the whole file, and a moment later it is tried again. */
static void what_does_not_stay_is_far(void)
{
    open_stand(memory(4 * WINDOW));
    found(0, WINDOW, TUX_STORE_CACHED, TUX_ABSENT, 0);
    CHECK_EQ(look(0, WINDOW, NOW), TUX_LOOK_FAR);
    CHECK_EQ(look(3 * WINDOW, 3 * WINDOW + 1, NOW + TUX_UNSURE_MS - 1), TUX_LOOK_FAR);
    ahead(WINDOW, 2 * WINDOW);
    CHECK_EQ(s.windows.taken, 0);
    CHECK(look(0, WINDOW, NOW + TUX_UNSURE_MS) != TUX_LOOK_FAR);
    close_stand();
}

static void a_network_is_far_and_an_error_teaches_nothing(void)
{
    open_stand(memory(4 * WINDOW));
    found(0, WINDOW, TUX_STORE_CACHED, TUX_ABSENT, -EIO);
    CHECK_EQ(look(0, WINDOW, NOW), TUX_LOOK_COLD);
    found(0, WINDOW, TUX_STORE_FAR, TUX_UNSURE, 0);
    CHECK_EQ(look(0, WINDOW, NOW), TUX_LOOK_FAR);
    CHECK_EQ(look(0, WINDOW, NOW + TUX_DEVICE_MS), TUX_LOOK_COLD);
    close_stand();
}

static void what_is_no_file_is_far(void)
{
    int pair[2];
    check_pair(pair);
    open_stand(pair[0]);
    CHECK(!s.file.regular);
    CHECK_EQ(look(0, WINDOW, NOW), TUX_LOOK_FAR);
    CHECK(!tux_file_of(9999).regular);
    close_stand();
    close(pair[1]);
}

int main(void)
{
    windows_end_at_their_borders();
    memory_is_cold_once();
    who_wants_the_same_joins();
    what_is_fetched_ahead_is_bounded();
    a_full_table_says_so();
    no_descriptor_no_fetch();
    what_nobody_tells_is_believed_for_a_while();
    what_does_not_stay_is_far();
    a_network_is_far_and_an_error_teaches_nothing();
    what_is_no_file_is_far();
    return 0;
}
