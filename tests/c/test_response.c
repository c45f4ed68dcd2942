/* test_response.c: which shapes a response may have, that its file is always closed, that bytes in flight never change,
 * and that a changed file is noticed. */
#include "http/response.h"

#include <sys/stat.h>

#include "draft.h"

static struct tux_metrics metrics;

#define DATE_AT 6
static const char head[] = "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\nbody";
static const char first_date[] = "Sun, 06 Nov 1994 08:49:37 GMT", second_date[] = "Sun, 06 Nov 1994 08:49:38 GMT";

/* Parts that make a response; each test spoils what it is about. */
struct parts {
    struct draft draft;
    u8 bytes[DRAFT_BYTES_MAX];
    struct tux_response_options options;
};

static void parts_of(struct parts *p)
{
    *p = (struct parts){.draft = draft_response(head, sizeof head - 1)};
    p->options = (struct tux_response_options){.chain = p->bytes, .file = -1, .status = 200, .date_at = DATE_AT};
}

static int make(struct parts *p, struct tux_response **out, char *error)
{
    error[0] = 0;
    p->options.chain_bytes = draft_encode(&p->draft, p->bytes);
    return tux_response_make(&p->options, out, error);
}

static struct tux_response *made(struct parts *p)
{
    struct tux_response *response = NULL;
    char error[TUX_ERROR_BYTES];
    int failed = make(p, &response, error);
    CHECK_TEXT(error, "");
    CHECK_EQ(failed, 0);
    return response;
}

/* Refused with this sentence, and the file it was given is closed all the same. */
static void refused(struct parts *p, int wanted, const char *sentence)
{
    struct tux_response *response = NULL;
    char error[TUX_ERROR_BYTES];
    p->options.file = check_eventfd();
    CHECK_EQ(make(p, &response, error), wanted);
    CHECK_TEXT(error, sentence);
    CHECK(response == NULL);
    CHECK(!check_is_open(p->options.file));
}

/* --- shapes ------------------------------------------------------------------------------------------------------ */

static void a_response_has_its_parts(void)
{
    struct parts p;
    parts_of(&p);
    draft_param(&p.draft);
    p.options.file = check_eventfd();
    p.options.keep = p.options.cacheable = 1;
    struct tux_response *r = made(&p);
    CHECK(r->refs == 1 && r->status == 200 && r->keep && r->cacheable && !r->dead && !r->checking);
    CHECK_EQ(r->connection_cell, 0);
    CHECK_EQ(r->file_cell, 4);
    CHECK_EQ(r->blob->bytes, sizeof head - 1);
    CHECK(memcmp(r->blob->data, head, sizeof head - 1) == 0);
    CHECK(r->bytes > sizeof *r + sizeof head);
    CHECK(check_is_open(r->file));
    int file = r->file;
    tux_response_free(r);
    CHECK(!check_is_open(file));
}

static void a_file_is_not_required(void)
{
    struct parts p;
    parts_of(&p);
    struct tux_response *r = made(&p);
    CHECK_EQ(r->file, -1);
    CHECK_EQ(r->file_cell, TUX_NONE16);
    tux_response_free(r);
}

static void what_a_response_may_not_own_is_refused(void)
{
    struct parts p;
    parts_of(&p);
    draft_fd(&p.draft);
    refused(&p, -EINVAL, "cell 4: a response owns neither descriptors nor buffers");
    parts_of(&p);
    draft_buffer(&p.draft, 16);
    refused(&p, -EINVAL, "cell 4: a response owns neither descriptors nor buffers");
}

static void the_wrong_number_of_cells_or_params_is_refused(void)
{
    static const char sentence[] =
        "a response has at most 48 cells and one or two parameters: the connection and the file";
    struct parts p;
    parts_of(&p);
    p.draft.cell[0].mode = 0;
    refused(&p, -EINVAL, sentence);
    parts_of(&p);
    draft_param(&p.draft);
    draft_param(&p.draft);
    refused(&p, -EINVAL, sentence);
    parts_of(&p);
    while (p.draft.header.cells < TUX_INNER_CELLS_MAX) draft_int(&p.draft, 0);
    tux_response_free(made(&p));
    draft_int(&p.draft, 0);
    refused(&p, -EINVAL, sentence);
}

static void a_date_outside_the_data_is_refused(void)
{
    struct parts p;
    parts_of(&p);
    p.options.date_at = (int32_t)sizeof head - 1 - TUX_DATE_BYTES;
    tux_response_free(made(&p));
    static const int32_t outside[] = {(int32_t)sizeof head - TUX_DATE_BYTES, (int32_t)sizeof head, INT32_MAX};
    for (size_t i = 0; i < TUX_COUNT(outside); i++) {
        p.options.date_at = outside[i];
        refused(&p, -EINVAL, "the Date lies outside the response's data");
    }
}

static void what_belongs_to_the_connection_is_refused(void)
{
    struct parts p;
    parts_of(&p);
    p.draft.header.budget = 10;
    refused(&p, -EINVAL, "a response has no step budget of its own");
    parts_of(&p);
    DRAFT_ATOM(&p.draft, recv_head, 0, TUX_NONE16, TUX_NONE16, 0);
    refused(&p, -EINVAL, "atom 1: call 32 is not on the white list of this engine");
    parts_of(&p);
    p.draft.header.magic = 0;
    refused(&p, -EINVAL, "not a chain (bad magic)");
}

static void too_many_witnesses_are_refused(void)
{
    struct tux_witness_facts facts[TUX_WITNESSES_MAX + 1];
    for (int i = 0; i <= TUX_WITNESSES_MAX; i++) facts[i] = (struct tux_witness_facts){.root_fd = -1, .path = "a"};
    struct parts p;
    parts_of(&p);
    p.options.witnesses = facts;
    p.options.witness_count = TUX_WITNESSES_MAX;
    tux_response_free(made(&p));
    p.options.witness_count = TUX_WITNESSES_MAX + 1;
    refused(&p, -E2BIG, "it rests on more than 8 names");
}

/* --- the Date ---------------------------------------------------------------------------------------------------- */

static struct tux_response *handed_over(struct parts *p)
{
    struct tux_response *response = made(p);
    tux_metric_add(&metrics.responses, 1);
    tux_metric_add(&metrics.blobs, 1);
    return response;
}

static void nothing_is_left(void)
{
    CHECK_EQ(atomic_load(&metrics.responses), 0);
    CHECK_EQ(atomic_load(&metrics.blobs), 0);
}

static bool says(const struct tux_blob *blob, const char *date)
{
    return memcmp(blob->data + DATE_AT, date, TUX_DATE_BYTES) == 0 && memcmp(blob->data, head, DATE_AT) == 0 &&
           memcmp(blob->data + DATE_AT + TUX_DATE_BYTES, "\r\n\r\nbody", 8) == 0;
}

static void bytes_in_flight_never_change(void)
{
    struct parts p;
    parts_of(&p);
    struct tux_response *r = handed_over(&p);
    struct tux_blob *old = tux_response_blob(r, 100, first_date, &metrics);
    struct tux_blob *same = tux_response_blob(r, 100, first_date, &metrics);
    CHECK(old == same && says(old, first_date));
    struct tux_blob *fresh = tux_response_blob(r, 101, second_date, &metrics);
    CHECK(fresh != old);
    CHECK(says(old, first_date) && says(fresh, second_date));
    CHECK_EQ(atomic_load(&metrics.blobs), 2);
    tux_blob_drop(old, &metrics);
    CHECK(says(same, first_date));
    tux_blob_drop(same, &metrics);
    CHECK_EQ(atomic_load(&metrics.blobs), 1);
    tux_response_drop(r, &metrics);
    CHECK(says(fresh, second_date));
    tux_blob_drop(fresh, &metrics);
    nothing_is_left();
}

static void nobody_sending_means_no_copy(void)
{
    struct parts p;
    parts_of(&p);
    struct tux_response *r = handed_over(&p);
    struct tux_blob *old = tux_response_blob(r, 100, first_date, &metrics);
    tux_blob_drop(old, &metrics);
    struct tux_blob *fresh = tux_response_blob(r, 101, second_date, &metrics);
    CHECK(fresh == old && says(fresh, second_date));
    tux_blob_drop(fresh, &metrics);
    tux_response_drop(r, &metrics);
    nothing_is_left();
}

static void without_a_date_there_is_one_blob(void)
{
    struct parts p;
    parts_of(&p);
    p.options.date_at = -1;
    struct tux_response *r = handed_over(&p);
    struct tux_blob *old = tux_response_blob(r, 100, first_date, &metrics);
    struct tux_blob *fresh = tux_response_blob(r, 101, second_date, &metrics);
    CHECK(fresh == old && memcmp(fresh->data, head, sizeof head - 1) == 0);
    tux_response_drop(r, &metrics);
    CHECK_EQ(atomic_load(&metrics.responses), 0);
    tux_blob_drop(old, &metrics);
    tux_blob_drop(fresh, &metrics);
    nothing_is_left();
}

/* --- witnesses --------------------------------------------------------------------------------------------------- */

static char folder[] = "/tmp/tuxpy-test-response-XXXXXX";
static int root;

static void write_file(const char *name, const char *text)
{
    int fd = openat(root, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    CHECK(fd >= 0);
    CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static struct tux_witness_facts facts_of(const char *path)
{
    struct tux_witness_facts facts = {.root_fd = root, .path = path};
    struct stat st;
    if (fstatat(root, path[0] ? path : ".", &st, 0) < 0) return facts;
    facts.dev = st.st_dev;
    facts.ino = st.st_ino;
    facts.size = (u64)st.st_size;
    facts.mtime_ns = (i64)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    facts.ctime_ns = (i64)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec;
    return facts;
}

/* A response that rests on the named files as they are now. The paths given need not outlive the call. */
static struct tux_response *resting_on(const char *first, const char *second)
{
    struct parts p;
    char names[2][32];
    snprintf(names[0], sizeof names[0], "%s", first);
    snprintf(names[1], sizeof names[1], "%s", second ? second : "");
    struct tux_witness_facts facts[2] = {facts_of(names[0]), facts_of(names[1])};
    parts_of(&p);
    p.options.witnesses = facts;
    p.options.witness_count = second ? 2 : 1;
    struct tux_response *response = made(&p);
    memset(names, 'x', sizeof names);
    CHECK(tux_response_holds(response));
    response->job.perform(&response->job, NULL);
    CHECK(response->unchanged);
    return response;
}

/* Also by way of the job that a worker does. */
static void no_longer(struct tux_response *response)
{
    response->unchanged = true;
    response->job.perform(&response->job, NULL);
    CHECK(!response->unchanged);
    CHECK(!tux_response_holds(response));
    tux_response_free(response);
}

static void every_change_of_a_file_is_noticed(void)
{
    static const struct timespec old[2] = {{1000, 0}, {1000, 0}}, finer[2] = {{1000, 1}, {1000, 1}};
    write_file("a", "one");
    CHECK_EQ(utimensat(root, "a", old, 0), 0);
    struct tux_response *response = resting_on("a", NULL);
    CHECK_EQ(utimensat(root, "a", finer, 0), 0); /* touched: one nanosecond is enough */
    no_longer(response);

    response = resting_on("a", NULL);
    write_file("a", "longer");
    no_longer(response);

    response = resting_on("a", NULL); /* other bytes, same length */
    write_file("a", "LONGER");
    CHECK_EQ(utimensat(root, "a", old, 0), 0);
    no_longer(response);

    response = resting_on("a", NULL); /* replaced by one that looks the same */
    write_file("b", "LONGER");
    CHECK_EQ(utimensat(root, "b", old, 0), 0);
    CHECK_EQ(renameat(root, "b", root, "a"), 0);
    no_longer(response);

    response = resting_on("a", NULL);
    CHECK_EQ(unlinkat(root, "a", 0), 0);
    no_longer(response);
}

static void an_absent_name_holds_until_it_is_there(void)
{
    struct tux_response *response = resting_on("a", NULL);
    write_file("a", "");
    no_longer(response);
    CHECK_EQ(unlinkat(root, "a", 0), 0);
}

/* The size of a directory may stay; its times do not. "" is the root itself. */
static void a_directory_changes_with_what_is_in_it(void)
{
    static const struct timespec old[2] = {{1000, 0}, {1000, 0}};
    CHECK_EQ(futimens(root, old), 0);
    struct tux_response *response = resting_on("", NULL);
    write_file("a", "");
    no_longer(response);
    CHECK_EQ(unlinkat(root, "a", 0), 0);
}

static void every_witness_counts(void)
{
    write_file("a", "one");
    struct tux_response *response = resting_on("a", "a.gz");
    write_file("a.gz", "packed");
    no_longer(response);
    response = resting_on("a", "a.gz");
    CHECK_EQ(unlinkat(root, "a", 0), 0);
    no_longer(response);
    CHECK_EQ(unlinkat(root, "a.gz", 0), 0);
}

int main(void)
{
    CHECK(mkdtemp(folder) != NULL);
    root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(root >= 0);
    a_response_has_its_parts();
    a_file_is_not_required();
    what_a_response_may_not_own_is_refused();
    the_wrong_number_of_cells_or_params_is_refused();
    a_date_outside_the_data_is_refused();
    what_belongs_to_the_connection_is_refused();
    too_many_witnesses_are_refused();
    bytes_in_flight_never_change();
    nobody_sending_means_no_copy();
    without_a_date_there_is_one_blob();
    every_change_of_a_file_is_noticed();
    an_absent_name_holds_until_it_is_there();
    a_directory_changes_with_what_is_in_it();
    every_witness_counts();
    close(root);
    CHECK_EQ(rmdir(folder), 0);
    return 0;
}
