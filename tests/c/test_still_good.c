/* test_still_good.c: whether a file that is being sent still has what the head has promised, line by line of the table
 * in still_good.c. Times of day are given, so that nothing here waits. */
#include "http/response.h"

#include <sys/stat.h>

#include "draft.h"

enum { FILE_BYTES = 1 << 20, DATE_AT = 6 };

static const char head[] = "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\nbody";
static const struct timespec old[2] = {{784111777, 0}, {784111777, 0}}, newer[2] = {{784111778, 0}, {784111778, 0}};
static char folder[] = "/tmp/tux-stands-XXXXXX";
static u8 content[FILE_BYTES];
static struct tux_watches watches;
static struct tux_metrics metrics;

/* A file in the middle of being sent. */
struct sent {
    struct tux_response *r;
    char path[64], other[64];
    int fd; /* for those who change it */
};

enum { BARE = 0, WATCHED = 1 };

static void begin(struct sent *s, int watched)
{
    struct draft draft = draft_response(head, sizeof head - 1);
    u8 bytes[DRAFT_BYTES_MAX];
    char error[TUX_ERROR_BYTES] = "";
    snprintf(s->path, sizeof s->path, "%s/file", folder);
    snprintf(s->other, sizeof s->other, "%s/other", folder);
    s->fd = open(s->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    CHECK(s->fd >= 0);
    CHECK_EQ(pwrite(s->fd, content, FILE_BYTES, 0), FILE_BYTES);
    CHECK_EQ(futimens(s->fd, old), 0);
    draft_param(&draft);
    struct tux_response_options options = {.chain = bytes, .status = 200, .date_at = DATE_AT, .cacheable = 1};
    options.chain_bytes = draft_encode(&draft, bytes);
    options.file = open(s->path, O_RDONLY | O_CLOEXEC);
    CHECK_EQ(tux_response_make(&options, &s->r, error), 0);
    CHECK(tux_response_file_holds(s->r));
    if (!watched) return;
    tux_response_file_watch(s->r, &watches);
    CHECK(s->r->watch && s->r->samples && s->r->samples->taken == s->r->samples->count);
}

static void end(struct sent *s)
{
    tux_metric_add(&metrics.responses, 1);
    tux_metric_add(&metrics.blobs, 1);
    tux_response_drop(s->r, &metrics);
    close(s->fd);
    (void)unlink(s->path);
    (void)unlink(s->other);
}

/* Long after whatever was done to it. */
static i64 later(const struct sent *s)
{
    struct stat st;
    CHECK_EQ(fstat(s->fd, &st), 0);
    return tux_version_of(&st).ctime_ns + 60 * (i64)TUX_WRITE_NS;
}

static i64 at_once(const struct sent *s) { return later(s) - 60 * (i64)TUX_WRITE_NS + 1; }

/* What is said of it is said again, in the middle and at its end, at once and later. */
static void says(struct sent *s, bool stands)
{
    for (int i = 0; i < 4; i++) CHECK_EQ(tux_response_file_still_good(s->r, at_once(s), i % 2 == 1), stands);
    for (int i = 0; i < 4; i++) CHECK_EQ(tux_response_file_still_good(s->r, later(s), i % 2 == 1), stands);
    end(s);
}

static void overwrite(const struct sent *s, u32 byte, size_t bytes)
{
    static u8 other[FILE_BYTES];
    memset(other, (int)byte, bytes);
    CHECK_EQ(pwrite(s->fd, other, bytes, 0), (i64)bytes);
}

static void rewrite_the_same(const struct sent *s) { CHECK_EQ(pwrite(s->fd, content, 4096, 0), 4096); }

static void append(const struct sent *s) { CHECK_EQ(pwrite(s->fd, "one more line\n", 14, FILE_BYTES), 14); }

/* --- the table --------------------------------------------------------------------------------------------------- */

static void shorter_does_not_stand(void)
{
    static const off_t sizes[] = {0, 1, FILE_BYTES - 1};
    struct sent s;
    for (size_t i = 0; i < 2 * TUX_COUNT(sizes); i++) {
        begin(&s, i % 2 ? WATCHED : BARE);
        CHECK_EQ(ftruncate(s.fd, sizes[i / 2]), 0);
        says(&s, false);
    }
}

static void as_it_was_stands_under_any_name(void)
{
    struct sent s;
    for (int watched = BARE; watched <= WATCHED; watched++) {
        begin(&s, watched);
        says(&s, true);
        begin(&s, watched);
        CHECK_EQ(link(s.path, s.other), 0);
        says(&s, true);
        begin(&s, watched);
        CHECK_EQ(rename(s.path, s.other), 0);
        says(&s, true);
        begin(&s, watched);
        CHECK_EQ(unlink(s.path), 0);
        says(&s, true);
    }
}

static void touched_stands_if_it_is_watched(void)
{
    struct sent s;
    for (int watched = BARE; watched <= WATCHED; watched++) {
        begin(&s, watched);
        CHECK_EQ(futimens(s.fd, newer), 0);
        says(&s, watched == WATCHED);
    }
    begin(&s, WATCHED);
    s.r->samples->taken--; /* its bytes need not be asked */
    CHECK_EQ(futimens(s.fd, newer), 0);
    says(&s, true);
}

/* On tmpfs such a write leaves no trace in the times; there is then nothing to ask. */
static void written_through_a_mapping_does_not_stand(void)
{
    struct sent s;
    struct stat before, after;
    begin(&s, WATCHED);
    CHECK_EQ(fstat(s.fd, &before), 0);
    u8 *bytes = mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, s.fd, 0);
    CHECK(bytes != MAP_FAILED);
    bytes[5] ^= 1;
    CHECK_EQ(msync(bytes, FILE_BYTES, MS_SYNC), 0);
    CHECK_EQ(munmap(bytes, FILE_BYTES), 0);
    CHECK_EQ(fstat(s.fd, &after), 0);
    bool is_dated = tux_version_of(&before).mtime_ns != tux_version_of(&after).mtime_ns;
    says(&s, !is_dated);
}

/* Even with the same bytes: who hides a write may have hidden others. */
static void written_with_its_date_restored_does_not_stand(void)
{
    struct sent s;
    begin(&s, WATCHED);
    rewrite_the_same(&s);
    CHECK_EQ(futimens(s.fd, old), 0);
    says(&s, false);
    begin(&s, WATCHED);
    overwrite(&s, 'x', FILE_BYTES);
    CHECK_EQ(futimens(s.fd, old), 0);
    says(&s, false);
}

static void written_stands_if_its_samples_are_the_same(void)
{
    struct sent s;
    begin(&s, WATCHED);
    append(&s);
    says(&s, true);
    begin(&s, WATCHED);
    rewrite_the_same(&s);
    says(&s, true);
    begin(&s, WATCHED);
    overwrite(&s, 'x', FILE_BYTES);
    says(&s, false);
    begin(&s, WATCHED); /* longer, and another one */
    overwrite(&s, 'x', FILE_BYTES);
    append(&s);
    says(&s, false);
}

static void longer_stands_without_watch_and_samples(void)
{
    struct sent s;
    begin(&s, BARE);
    append(&s);
    says(&s, true);
}

static void without_all_samples_a_write_does_not_stand(void)
{
    struct sent s;
    begin(&s, WATCHED);
    s.r->samples->taken--; /* this part was not in memory */
    rewrite_the_same(&s);
    says(&s, false);
}

/* --- what is remembered ------------------------------------------------------------------------------------------ */

static void what_was_found_to_stand_need_not_be_told_again(void)
{
    struct sent s;
    begin(&s, WATCHED);
    CHECK_EQ(futimens(s.fd, newer), 0);
    CHECK(tux_response_file_still_good(s.r, later(&s), false));
    CHECK_EQ(s.r->latest.mtime_ns, (i64)newer[1].tv_sec * 1000000000);
    tux_watch_end(&watches, s.r->watch); /* from now on nothing would tell */
    s.r->watch = NULL;
    CHECK(tux_response_file_still_good(s.r, later(&s), true));
    CHECK_EQ(futimens(s.fd, old), 0);
    CHECK_EQ(futimens(s.fd, newer), 0); /* the same date, another change */
    CHECK(!tux_response_file_still_good(s.r, later(&s), true));
    end(&s);
}

/* A write sets the times first and its bytes then: what came just now is looked at again. */
static void a_write_that_may_be_under_way_is_not_remembered(void)
{
    struct sent s;
    begin(&s, WATCHED);
    rewrite_the_same(&s);
    CHECK(tux_response_file_still_good(s.r, at_once(&s), true));
    CHECK_EQ(s.r->latest.mtime_ns, (i64)old[1].tv_sec * 1000000000);
    CHECK(tux_response_file_still_good(s.r, later(&s), true));
    CHECK(s.r->latest.mtime_ns != (i64)old[1].tv_sec * 1000000000);
    overwrite(&s, 'x', FILE_BYTES);
    CHECK(!tux_response_file_still_good(s.r, at_once(&s), true));
    end(&s);
}

static void a_date_says_whether_a_file_is_young(void)
{
    struct sent s;
    begin(&s, BARE);
    i64 date_ns = (i64)old[1].tv_sec * 1000000000;
    CHECK(tux_response_file_is_young(s.r, date_ns) && tux_response_file_is_young(s.r, date_ns + 1000000000));
    CHECK(tux_response_file_is_young(s.r, date_ns + (i64)TUX_YOUNG_NS - 1));
    CHECK(!tux_response_file_is_young(s.r, date_ns + (i64)TUX_YOUNG_NS));
    CHECK(!tux_response_file_is_young(s.r, date_ns - (i64)TUX_YOUNG_NS)); /* a date of the future */
    end(&s);
}

int main(void)
{
    CHECK(mkdtemp(folder));
    u64 seed = 5;
    for (u32 i = 0; i < FILE_BYTES; i++) content[i] = (u8)check_random(&seed);
    tux_watches_open(&watches);
    shorter_does_not_stand();
    as_it_was_stands_under_any_name();
    touched_stands_if_it_is_watched();
    written_through_a_mapping_does_not_stand();
    written_with_its_date_restored_does_not_stand();
    written_stands_if_its_samples_are_the_same();
    longer_stands_without_watch_and_samples();
    without_all_samples_a_write_does_not_stand();
    what_was_found_to_stand_need_not_be_told_again();
    a_write_that_may_be_under_way_is_not_remembered();
    a_date_says_whether_a_file_is_young();
    tux_watches_close(&watches);
    CHECK_EQ(rmdir(folder), 0);
    return 0;
}
