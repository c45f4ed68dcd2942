/* test_freshness.c: when a kept response is believed, looked at, or waits for a worker who looks: an engine that only
 * has a clock, a worker and two runs. The clock is the test's own. */
#include "http/freshness.h"

#include <sys/stat.h>

#include "draft.h"

enum { RUNS = 2, LOOK_MS = 20, BEGUN_MS = 100000 };

static const char asked[] = "GET /name HTTP/1.1\r\nHost: a\r\n\r\n";
static char folder[] = "/tmp/tux-freshness-XXXXXX";
static int root, knock_fd;

struct server {
    struct tux_engine *e;
    struct tux_http http;
    struct tux_run runs[RUNS];
    struct tux_request requests[RUNS];
    struct tux_conn conns[RUNS];
    struct tux_response *r;
};

static i64 number(_Atomic u64 *metric) { return (i64)atomic_load(metric); }

static void write_name(const char *text)
{
    int fd = openat(root, "name", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    CHECK(fd >= 0);
    CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static struct tux_witness_facts facts_of_name(void)
{
    struct stat st;
    CHECK_EQ(fstatat(root, "name", &st, 0), 0);
    struct tux_version version = tux_version_of(&st);
    return (struct tux_witness_facts){.root_fd = root, .path = "name", .dev = st.st_dev, .ino = st.st_ino,
                                      .size = (u64)st.st_size, .mtime_ns = version.mtime_ns,
                                      .ctime_ns = version.ctime_ns};
}

/* A response that rests on the name as it is now, and perhaps is sent from its file. */
static struct tux_response *response_of(bool with_file)
{
    static const char head[] = "HTTP/1.1 200 OK\r\n\r\n";
    struct draft draft = draft_response(head, sizeof head - 1);
    struct tux_witness_facts facts = facts_of_name();
    u8 bytes[DRAFT_BYTES_MAX];
    char error[TUX_ERROR_BYTES] = "";
    struct tux_response *r = NULL;
    struct tux_response_options options = {.chain = bytes, .file = -1, .status = 200, .date_at = -1, .cacheable = 1,
                                           .witnesses = &facts, .witness_count = 1};
    if (with_file) {
        draft_param(&draft);
        options.file = openat(root, "name", O_RDONLY | O_CLOEXEC);
        CHECK(options.file >= 0);
    }
    options.chain_bytes = draft_encode(&draft, bytes);
    CHECK_EQ(tux_response_make(&options, &r, error), 0);
    return r;
}

/* The name is looked at when the clock says BEGUN_MS. `place`: what is known of its device. */
static void begin(struct server *s, enum tux_place_kind place, bool with_file)
{
    *s = (struct server){.e = calloc(1, sizeof *s->e)};
    struct tux_engine *e = s->e;
    CHECK(e);
    e->runs = s->runs;
    e->ready = e->bulk = tux_no_runs();
    e->stage.now_ms = BEGUN_MS;
    e->http = &s->http;
    s->http.rules.look_ms = LOOK_MS;
    CHECK_EQ(tux_cachemiss_open(&e->pool, 1, knock_fd, e), 0);
    for (u32 i = 0; i < RUNS; i++) {
        s->conns[i].fd = -1;
        s->requests[i] = (struct tux_request){.conn = &s->conns[i], .head = (const u8 *)asked,
                                              .head_bytes = sizeof asked - 1, .began_ms = BEGUN_MS};
        s->runs[i] = (struct tux_run){.slot = i, .request = &s->requests[i]};
    }
    write_name("one");
    s->r = response_of(with_file);
    s->r->checked_ms = BEGUN_MS;
    s->r->dev = 1; /* no block device, so that the place is what is known of it */
    s->http.places[0] = (struct tux_known_place){.dev = 1, .until_ms = place ? UINT64_MAX : 0, .kind = (u8)place};
    tux_metric_add(&e->metrics.responses, 1);
    tux_metric_add(&e->metrics.blobs, 1);
}

static void end(struct server *s)
{
    CHECK_EQ(s->r->refs, 1);
    tux_cachemiss_close(s->e->pool);
    for (u32 i = 0; i < RUNS; i++) tux_request_end(&s->requests[i], &s->e->metrics);
    for (u32 i = 0; i < RUNS; i++) free(s->conns[i].input);
    tux_response_drop(s->r, &s->e->metrics);
    CHECK_EQ(number(&s->e->metrics.responses), 0);
    free(s->e);
}

static enum tux_fresh ask_after(struct server *s, u32 run, u64 ms)
{
    s->e->stage.now_ms = BEGUN_MS + ms;
    return tux_freshness(s->e, &s->runs[run], s->r);
}

/* The worker has done its check, and the engine is told. */
static void be_told(struct server *s)
{
    u64 knocks;
    CHECK(check_readable(knock_fd, CHECK_LIMIT_MS));
    CHECK_EQ(read(knock_fd, &knocks, sizeof knocks), sizeof knocks);
    struct tux_job *job = tux_cachemiss_take(s->e->pool);
    CHECK(job && !job->next && job == &s->r->job);
    tux_freshness_checked(s->e, s->r);
}

static void goes_on(struct server *s, u32 run)
{
    struct tux_run *next = tux_list_take(s->e, &s->e->ready);
    CHECK(next == &s->runs[run] && next->woken_for == TUX_WAIT_FRESH && next->wait == TUX_WAIT_NOT);
}

/* --- the engine looks itself ------------------------------------------------------------------------------------- */

static void a_look_is_believed_for_its_time(void)
{
    struct server s;
    begin(&s, TUX_PLACE_MEMORY, false);
    write_name("another");
    CHECK_EQ(ask_after(&s, 0, 0), TUX_FRESH_USE);
    CHECK_EQ(ask_after(&s, 0, LOOK_MS - 1), TUX_FRESH_USE);
    CHECK_EQ(number(&s.e->metrics.looks), 0);
    CHECK_EQ(ask_after(&s, 0, LOOK_MS), TUX_FRESH_DEAD);
    CHECK(s.r->dead && number(&s.e->metrics.looks) == 1 && number(&s.e->metrics.stale) == 1);
    end(&s);
}

static void what_is_as_it_was_is_believed_anew(void)
{
    struct server s;
    begin(&s, TUX_PLACE_MEMORY, true);
    for (u64 ms = 0; ms <= 5 * LOOK_MS; ms++) CHECK_EQ(ask_after(&s, 0, ms), TUX_FRESH_USE);
    CHECK_EQ(number(&s.e->metrics.looks), 5);
    CHECK_EQ(s.r->checked_ms, BEGUN_MS + 5 * LOOK_MS);
    CHECK_EQ(number(&s.e->metrics.checks), 0);
    end(&s);
}

/* The open file is asked each time: a write in place must not go out under the head of before. */
static void an_open_file_that_has_changed_is_seen_at_once(void)
{
    struct server s;
    begin(&s, TUX_PLACE_MEMORY, true);
    write_name("longer");
    CHECK_EQ(ask_after(&s, 0, 1), TUX_FRESH_DEAD);
    CHECK(s.r->dead && number(&s.e->metrics.looks) == 0 && number(&s.e->metrics.stale) == 1);
    end(&s);
}

/* --- a worker looks ---------------------------------------------------------------------------------------------- */

static void where_nothing_is_known_a_worker_looks_once_for_all(void)
{
    struct server s;
    begin(&s, TUX_PLACE_UNKNOWN, false);
    CHECK_EQ(ask_after(&s, 0, LOOK_MS), TUX_FRESH_WAIT);
    CHECK_EQ(ask_after(&s, 1, LOOK_MS + 5), TUX_FRESH_WAIT);
    CHECK(s.runs[0].wait == TUX_WAIT_FRESH && s.runs[1].wait == TUX_WAIT_FRESH && s.r->checking);
    CHECK_EQ(number(&s.e->metrics.checks), 1);
    CHECK(s.requests[0].head != (const u8 *)asked && memcmp(s.requests[0].head, asked, sizeof asked - 1) == 0);
    be_told(&s);
    goes_on(&s, 0);
    goes_on(&s, 1);
    CHECK(!s.r->checking && !s.r->dead && s.r->place != TUX_PLACE_UNKNOWN);
    CHECK_EQ(s.r->checked_ms, BEGUN_MS + LOOK_MS); /* no later than it began */
    CHECK_EQ(ask_after(&s, 0, LOOK_MS + 6), TUX_FRESH_USE);
    CHECK_EQ(number(&s.e->metrics.looks), 0);
    end(&s);
}

/* However long the worker took, nobody waits for a second look at the same. */
static void a_look_that_took_long_is_good_for_those_who_waited(void)
{
    struct server s;
    begin(&s, TUX_PLACE_UNKNOWN, false);
    s.requests[0].began_ms = BEGUN_MS + LOOK_MS;
    CHECK_EQ(ask_after(&s, 0, LOOK_MS), TUX_FRESH_WAIT);
    be_told(&s);
    goes_on(&s, 0);
    s.r->place = TUX_PLACE_UNKNOWN;
    CHECK_EQ(ask_after(&s, 0, 50 * LOOK_MS), TUX_FRESH_USE);
    CHECK_EQ(number(&s.e->metrics.checks), 1);
    end(&s);
}

static void what_a_worker_finds_changed_is_used_no_more(void)
{
    struct server s;
    begin(&s, TUX_PLACE_UNKNOWN, false);
    write_name("another");
    CHECK_EQ(ask_after(&s, 0, LOOK_MS), TUX_FRESH_WAIT);
    be_told(&s);
    goes_on(&s, 0);
    CHECK(s.r->dead && number(&s.e->metrics.stale) == 1);
    end(&s);
}

/* Behind the scenes at first; nobody waits before it is nearly a second. */
static void a_network_is_asked_behind_the_scenes(void)
{
    struct server s;
    begin(&s, TUX_PLACE_FAR, false);
    CHECK_EQ(ask_after(&s, 0, TUX_FRESH_MS - 1), TUX_FRESH_USE);
    CHECK_EQ(number(&s.e->metrics.checks), 0);
    CHECK_EQ(ask_after(&s, 0, TUX_FRESH_MS), TUX_FRESH_USE);
    CHECK_EQ(ask_after(&s, 0, TUX_STALE_MS - 1), TUX_FRESH_USE);
    CHECK_EQ(number(&s.e->metrics.checks), 1);
    CHECK_EQ(ask_after(&s, 0, TUX_STALE_MS), TUX_FRESH_WAIT);
    CHECK_EQ(number(&s.e->metrics.checks), 1);
    be_told(&s);
    goes_on(&s, 0);
    CHECK_EQ(s.r->checked_ms, BEGUN_MS + TUX_FRESH_MS);
    CHECK_EQ(number(&s.e->metrics.looks), 0);
    end(&s);
}

/* --- a write that may be under way ------------------------------------------------------------------------------- */

static i64 date_s(void)
{
    struct stat st;
    CHECK_EQ(fstatat(root, "name", &st, 0), 0);
    return st.st_mtim.tv_sec;
}

static void a_file_that_was_written_just_now_is_waited_for_once(void)
{
    struct server s;
    begin(&s, TUX_PLACE_MEMORY, true);
    s.http.wall_s = date_s() + 1;
    CHECK(tux_freshness_settles(s.e, &s.runs[0], s.r));
    CHECK_EQ(s.runs[0].wait, TUX_WAIT_FRESH);
    be_told(&s);
    goes_on(&s, 0);
    CHECK(s.r->settled && !s.r->dead);
    CHECK(!tux_freshness_settles(s.e, &s.runs[0], s.r));
    CHECK_EQ(number(&s.e->metrics.checks), 1);
    end(&s);
}

static void an_old_file_or_none_is_not_waited_for(void)
{
    struct server s;
    begin(&s, TUX_PLACE_MEMORY, true);
    s.http.wall_s = date_s() + TUX_YOUNG_NS / 1000000000 + 1;
    CHECK(!tux_freshness_settles(s.e, &s.runs[0], s.r));
    end(&s);
    begin(&s, TUX_PLACE_MEMORY, false);
    s.http.wall_s = date_s();
    CHECK(!tux_freshness_settles(s.e, &s.runs[0], s.r));
    end(&s);
}

int main(void)
{
    CHECK(mkdtemp(folder));
    root = open(folder, O_PATH | O_CLOEXEC);
    CHECK(root >= 0);
    knock_fd = check_eventfd();
    a_look_is_believed_for_its_time();
    what_is_as_it_was_is_believed_anew();
    an_open_file_that_has_changed_is_seen_at_once();
    where_nothing_is_known_a_worker_looks_once_for_all();
    a_look_that_took_long_is_good_for_those_who_waited();
    what_a_worker_finds_changed_is_used_no_more();
    a_network_is_asked_behind_the_scenes();
    a_file_that_was_written_just_now_is_waited_for_once();
    an_old_file_or_none_is_not_waited_for();
    CHECK_EQ(unlinkat(root, "name", 0), 0);
    CHECK_EQ(rmdir(folder), 0);
    close(root);
    close(knock_fd);
    return 0;
}
