/* test_exec.c: runs that begin on their submitters' threads: every crossing to the engine and its workers, so that the
 * sanitizers see them: visits, arrivals, shared batches, records, cancels, and an end in the middle of all that. */
#include <pthread.h>

#include "draft.h"

enum { SLOTS = 256, SUBMITTERS = 3, ROUNDS = 30, BATCH = 40, SIZE = 100 };

struct stand {
    struct tux_engine *engine;
    int notify;
    _Atomic u32 here, there, ended;
};

/* Opens, reads and closes the file whose path is given; each atom with these flags. */
static struct draft reading(u16 flags)
{
    static const u64 how[3] = {O_RDONLY | O_CLOEXEC, 0, 0};
    static const u8 room[64];
    struct draft d = draft_new();
    u16 cwd = draft_const(&d, AT_FDCWD), path = draft_data(&d, room, sizeof room), open_how = draft_data(&d, how, 24);
    u16 bytes = draft_const(&d, 24), fd = draft_fd(&d), buffer = draft_buffer(&d, SIZE);
    u16 size = draft_const(&d, SIZE), got = draft_int(&d, 0);
    DRAFT_ATOM(&d, openat2, SYSLET_STOP_ON_NEGATIVE | flags, fd, 1, cwd, path, open_how, bytes);
    DRAFT_ATOM(&d, read, SYSLET_STOP_ON_NEGATIVE | flags, got, 2, fd, buffer, size);
    DRAFT_ATOM(&d, close, 0, TUX_NONE16, TUX_NONE16, fd);
    return d;
}

static struct draft sleeping(void)
{
    struct draft d = draft_new();
    u16 ns = draft_param(&d);
    DRAFT_ATOM(&d, nanosleep, 0, TUX_NONE16, TUX_NONE16, ns);
    return d;
}

static int stand_open(struct stand *s, const char *backend)
{
    char why[TUX_ERROR_BYTES];
    *s = (struct stand){.notify = check_eventfd()};
    const struct tux_options options = {.slots = SLOTS, .workers = 2, .notify_fd = s->notify, .backend = backend};
    int failed = tux_engine_open(&options, &s->engine, why);
    if (failed) close(s->notify);
    return failed;
}

static void stand_close(struct stand *s)
{
    tux_engine_close(s->engine);
    close(s->notify);
}

/* What a run that read the test's file has left behind. */
static void check_record(const struct tux_completion *c)
{
    CHECK_EQ(c->reason, TUX_REASON_END);
    CHECK_EQ(c->steps, 3);
    CHECK(c->record != NULL);
    CHECK_EQ(tux_record_cells(c->record)[7], SIZE);
    CHECK_EQ(tux_record_cells(c->record)[4], -1);
    for (int i = 0; i < SIZE; i++) CHECK_EQ(tux_record_buffers(c->record)[i], 'x');
    tux_record_close(c->record);
}

static void take(struct stand *s, u32 wanted)
{
    struct tux_completion done[32];
    while (atomic_load(&s->ended) < wanted) {
        struct pollfd p = {.fd = s->notify, .events = POLLIN};
        u64 said;
        CHECK(poll(&p, 1, 20000) == 1 || atomic_load(&s->ended) >= wanted);
        if (read(s->notify, &said, sizeof said) < 0) CHECK(errno == EAGAIN);
        for (int count; (count = tux_engine_completions(s->engine, done, 32)) > 0;) {
            for (int i = 0; i < count; i++) check_record(&done[i]);
            atomic_fetch_add(&s->there, (u32)count);
            atomic_fetch_add(&s->ended, (u32)count);
        }
    }
}

struct submitter {
    struct stand *stand;
    struct tux_chain *chain;
    u16 flags;
    const char *path;
};

static void *submit(void *argument)
{
    const struct submitter *me = argument;
    struct stand *s = me->stand;
    static const u16 cell[1] = {1};
    char fills[BATCH * 64] = "";
    u32 ends[BATCH], length = (u32)strlen(me->path);
    for (u32 i = 0; i < BATCH; i++) {
        memcpy(fills + i * length, me->path, length);
        ends[i] = (i + 1) * length;
    }
    struct tux_completion out[BATCH];
    for (int round = 0; round < ROUNDS;) {
        struct tux_submission submission = {
            .chain = me->chain, .fill_cells = cell, .fill_ends = ends, .fills = (const u8 *)fills, .fill_count = 1,
            .runs = BATCH, .keep_cell = TUX_NONE16, .flags = (u16)(TUX_EXEC_KEEP | me->flags),
        };
        int done = tux_engine_exec(s->engine, &submission, out);
        if (done == -ENOBUFS) {
            struct timespec pause = {.tv_nsec = 1000000};
            nanosleep(&pause, NULL);
            continue;
        }
        CHECK(done >= 0 && done <= BATCH);
        for (int i = 0; i < done; i++) check_record(&out[i]);
        atomic_fetch_add(&s->here, (u32)done);
        atomic_fetch_add(&s->ended, (u32)done);
        u64 one = 1;
        CHECK(write(s->notify, &one, sizeof one) == sizeof one); /* so that the taker counts again */
        round++;
    }
    return NULL;
}

/* Three submitters at once, each in his own manner, and one who takes. */
static void everything_arrives(struct stand *s, const char *path)
{
    static const u16 manners[SUBMITTERS] = {0, TUX_EXEC_SHARE, TUX_EXEC_AWAY};
    struct draft d = reading(0), cold = reading(SYSLET_ASYNC);
    struct tux_chain *chains[2] = {draft_load(&d), draft_load(&cold)};
    pthread_t thread[2 * SUBMITTERS];
    struct submitter submitter[2 * SUBMITTERS];
    for (int i = 0; i < 2 * SUBMITTERS; i++) {
        submitter[i] = (struct submitter){s, chains[i / SUBMITTERS], manners[i % SUBMITTERS], path};
        CHECK(pthread_create(&thread[i], NULL, submit, &submitter[i]) == 0);
    }
    take(s, 2 * SUBMITTERS * ROUNDS * BATCH);
    for (int i = 0; i < 2 * SUBMITTERS; i++) pthread_join(thread[i], NULL);
    CHECK_EQ(s->here + s->there, 2 * SUBMITTERS * ROUNDS * BATCH);
    CHECK(s->here > 0 && s->there >= 3 * ROUNDS * BATCH); /* all ASYNC ones had to go, for one */
    CHECK_EQ(tux_engine_completions(s->engine, &(struct tux_completion){0}, 1), 0);
    tux_chain_close(chains[0]);
    tux_chain_close(chains[1]);
}

/* A promise holds until the record is taken: then there is room again, and not before. */
static void no_room_no_run(struct stand *s)
{
    struct draft d = sleeping();
    struct tux_chain *chain = draft_load(&d);
    static const u16 cell[1] = {0};
    i64 ns[SLOTS];
    struct tux_completion out[SLOTS];
    for (int i = 0; i < SLOTS; i++) ns[i] = 1000000000000;
    struct tux_submission all = {.chain = chain, .param_cells = cell, .params = ns, .param_count = 1, .runs = SLOTS,
                                 .cookie = 1000, .keep_cell = TUX_NONE16};
    CHECK_EQ(tux_engine_exec(s->engine, &all, out), 0);
    all.runs = 1;
    CHECK_EQ(tux_engine_exec(s->engine, &all, out), -ENOBUFS);
    for (u64 i = 0; i < SLOTS; i++) CHECK_EQ(tux_engine_cancel(s->engine, 1000 + i), 0);
    u32 taken = 0;
    while (taken < SLOTS) {
        int count = tux_engine_completions(s->engine, out, SLOTS);
        for (int i = 0; i < count; i++) CHECK_EQ(out[i].reason, TUX_REASON_CANCELLED);
        taken += (u32)count;
    }
    ns[0] = 0;
    all.runs = 1;
    all.deadline_ms = 10000;
    CHECK_EQ(tux_engine_exec(s->engine, &all, out), 0); /* even no time is waited for elsewhere */
    while (tux_engine_completions(s->engine, out, 1) == 0) continue;
    CHECK_EQ(out[0].reason, TUX_REASON_END);
    tux_chain_close(chain);
}

/* One run of a name that is not there; whether that is known at once depends on what the kernel remembers. */
static void finds_nothing(struct stand *s, const struct tux_submission *submission)
{
    struct tux_completion out[1];
    int done = tux_engine_exec(s->engine, submission, out);
    CHECK(done == 0 || done == 1);
    for (struct pollfd p = {.fd = s->notify, .events = POLLIN}; done == 0;) {
        CHECK_EQ(poll(&p, 1, 20000), 1);
        done = tux_engine_completions(s->engine, out, 1);
    }
    CHECK_EQ(out[0].result, -ENOENT);
    CHECK(out[0].record == NULL);
}

static void wrong_submissions_are_refused(struct stand *s)
{
    struct draft d = reading(0);
    struct tux_chain *chain = draft_load(&d);
    u8 data[88];
    u16 cell[1] = {0}, path[2] = {1, 2};
    u32 ends[2] = {64, 64};
    i64 value[1] = {0};
    struct tux_completion out[1];
    memset(data, 'x', sizeof data);
    struct tux_submission right = {.chain = chain, .runs = 1, .keep_cell = TUX_NONE16}, wrong = right;
    wrong.fills = data;
    wrong.fill_cells = path;
    wrong.fill_ends = ends;
    wrong.fill_count = 1;
    CHECK_EQ(tux_engine_exec(s->engine, &wrong, out), -EINVAL); /* a path that does not end */
    ends[0] = 63;
    finds_nothing(s, &wrong);
    wrong.fill_count = 2;
    ends[1] = 62;
    CHECK_EQ(tux_engine_exec(s->engine, &wrong, out), -EINVAL); /* ends before it begins */
    ends[1] = 88;
    CHECK_EQ(tux_engine_exec(s->engine, &wrong, out), -EINVAL); /* too much */
    path[1] = 5;
    CHECK_EQ(tux_engine_exec(s->engine, &wrong, out), -EINVAL); /* no data */
    wrong = right;
    wrong.runs = 0;
    CHECK_EQ(tux_engine_exec(s->engine, &wrong, out), -EINVAL);
    wrong = right;
    wrong.keep_cell = 4;
    CHECK_EQ(tux_engine_exec(s->engine, &wrong, out), -EINVAL); /* kept by whom? */
    wrong.flags = TUX_EXEC_KEEP;
    wrong.keep_cell = 5;
    CHECK_EQ(tux_engine_exec(s->engine, &wrong, out), -EINVAL);
    wrong = right;
    wrong.param_count = 1;
    wrong.param_cells = cell;
    wrong.params = value;
    CHECK_EQ(tux_engine_exec(s->engine, &wrong, out), -EINVAL);
    finds_nothing(s, &right); /* an empty path */
    tux_chain_close(chain);
}

/* What lives, and what nobody has taken, goes with the engine. */
static void closed_in_the_middle(struct stand *s, const char *path)
{
    struct draft d = reading(SYSLET_ASYNC), e = sleeping();
    struct tux_chain *chain = draft_load(&d), *asleep = draft_load(&e);
    static const u16 cell[1] = {0}, path_cell[1] = {1};
    const u32 ends[1] = {(u32)strlen(path)};
    i64 ns[1] = {1000000000000};
    struct tux_completion out[1];
    struct tux_submission reads = {.chain = chain, .fill_cells = path_cell, .fill_ends = ends, .fill_count = 1,
                                   .fills = (const u8 *)path, .runs = 1, .keep_cell = 4, .flags = TUX_EXEC_KEEP};
    struct tux_submission sleeps = {.chain = asleep, .param_cells = cell, .params = ns, .param_count = 1, .runs = 1,
                                    .keep_cell = TUX_NONE16, .flags = TUX_EXEC_AWAY};
    for (int i = 0; i < 50; i++) CHECK_EQ(tux_engine_exec(s->engine, i % 2 ? &reads : &sleeps, out), 0);
    stand_close(s);
    tux_chain_close(chain);
    tux_chain_close(asleep);
}

int main(void)
{
    char path[64];
    snprintf(path, sizeof path, "/tmp/test_exec.%d", (int)getpid());
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    u8 content[SIZE];
    memset(content, 'x', sizeof content);
    CHECK(fd >= 0 && write(fd, content, sizeof content) == sizeof content);
    close(fd);
    static const char *const both[] = {"epoll", "uring"};
    int skipped = 0;
    for (size_t i = 0; i < TUX_COUNT(both); i++) {
        struct stand s;
        if (stand_open(&s, both[i]) != 0) {
            CHECK(i > 0);
            printf("no io_uring here\n");
            skipped = 77;
            continue;
        }
        everything_arrives(&s, path);
        no_room_no_run(&s);
        wrong_submissions_are_refused(&s);
        closed_in_the_middle(&s, path);
    }
    unlink(path);
    return skipped;
}
