/* test_ranged.c: a response for any range is refused unless every word of it is true, and what is made of it for a
 * slice is what the judge would have sent. */
#include "http/ranged.h"

#include <sys/stat.h>

#include "draft.h"

enum { FILE_BYTES = 200000, SLICE_AT = 12, SLICE_BYTES = 345 };

static struct tux_metrics metrics;
static char name[] = "/tmp/tuxpy-test-ranged-XXXXXX";
static u8 content[FILE_BYTES];
static const char date[] = "Sun, 06 Nov 1994 08:49:37 GMT";

/* --- parts of a right one; each test spoils what it is about ----------------------------------------------------- */

static const char head[] = "HTTP/1.1 206 Partial Content\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
                           "Content-Range: bytes 12-356/200000\r\nETag: \"x\"\r\nContent-Length: 345\r\n\r\n";

struct parts {
    struct draft draft;
    u8 bytes[DRAFT_BYTES_MAX];
    struct tux_response_options options;
    u16 connection, file, data, length, flags, offset, count;
};

static int32_t behind(const char *text, const char *mark)
{
    const char *found = strstr(text, mark);
    CHECK(found != NULL);
    return (int32_t)(found - text) + (int32_t)strlen(mark);
}

static void atoms_of(struct parts *p)
{
    p->draft.header.atoms = 0;
    DRAFT_ATOM(&p->draft, send, SYSLET_STOP_ON_NEGATIVE, TUX_NONE16, 1, p->connection, p->data, p->length, p->flags);
    DRAFT_ATOM(&p->draft, sendfile, SYSLET_STOP_ON_NEGATIVE, TUX_NONE16, TUX_NONE16, p->connection, p->file, p->offset,
               p->count);
}

static void parts_with(struct parts *p, const char *text)
{
    *p = (struct parts){.draft = draft_new()};
    p->connection = draft_param(&p->draft);
    p->file = draft_param(&p->draft);
    p->data = draft_data(&p->draft, text, (u32)strlen(text));
    p->length = draft_const(&p->draft, (i64)strlen(text));
    p->flags = draft_const(&p->draft, MSG_NOSIGNAL | MSG_MORE);
    p->offset = draft_const(&p->draft, SLICE_AT);
    p->count = draft_const(&p->draft, SLICE_BYTES);
    atoms_of(p);
    p->options = (struct tux_response_options){.chain = p->bytes, .status = 206, .keep = 1, .cacheable = 1,
                                               .ranged = 1, .date_at = behind(text, "Date: "),
                                               .range_at = behind(text, "bytes "),
                                               .length_at = behind(text, "Length: ")};
}

static void parts_of(struct parts *p) { parts_with(p, head); }

static int make(struct parts *p, struct tux_response **out, char *error)
{
    error[0] = 0;
    p->options.file = open(name, O_RDONLY | O_CLOEXEC);
    CHECK(p->options.file >= 0);
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
    CHECK(response->ranged.is);
    tux_metric_add(&metrics.responses, 1);
    tux_metric_add(&metrics.blobs, 1);
    return response;
}

static void refused(struct parts *p, const char *sentence)
{
    struct tux_response *response = NULL;
    char error[TUX_ERROR_BYTES];
    CHECK_EQ(make(p, &response, error), -EINVAL);
    CHECK_TEXT(error, sentence);
    CHECK(response == NULL && !check_is_open(p->options.file));
}

static const char shape[] =
    "a response for any range is a 206 of send(head, MORE) and sendfile, each number in its own cell";
static const char more[] = "a response for any range sends all of its head, and more is to come";
static const char inside[] = "a response for any range answers one that is in the file";
static const char range_place[] = "the range does not stand where the response says";
static const char length_place[] = "the length does not stand where the response says";

/* --- refusals ---------------------------------------------------------------------------------------------------- */

static void a_wrong_shape_is_refused(void)
{
    struct parts p;
    parts_of(&p);
    p.options.status = 200;
    refused(&p, shape);
    parts_of(&p); /* one atom, and three */
    p.draft.header.atoms = 1;
    p.draft.atom[0].next = TUX_NONE16;
    refused(&p, shape);
    parts_of(&p);
    p.draft.atom[1].next = 2;
    DRAFT_ATOM(&p.draft, send, 0, TUX_NONE16, TUX_NONE16, p.connection, p.data, p.length, p.flags);
    refused(&p, shape);
    parts_of(&p); /* the wrong order of the right two */
    p.draft.atom[0].next = TUX_NONE16;
    refused(&p, shape);
    parts_of(&p);
    p.draft.atom[1].next = 0;
    refused(&p, shape);
    for (unsigned atom = 0; atom < 2; atom++) {
        parts_of(&p);
        p.draft.atom[atom].flags = SYSLET_STOP_ON_NEGATIVE | SYSLET_NO_COMPLETE;
        refused(&p, shape);
        parts_of(&p);
        p.draft.atom[atom].ret = draft_int(&p.draft, 0);
        refused(&p, shape);
        parts_of(&p); /* to another descriptor than the client's */
        p.draft.atom[atom].args[0] = p.file;
        refused(&p, shape);
    }
    parts_of(&p);
    p.draft.atom[1].args[1] = draft_const(&p.draft, 0); /* from another than the file */
    refused(&p, shape);
}

static void a_cell_for_two_things_or_of_no_number_is_refused(void)
{
    static const struct { unsigned atom, argument; } filled[] = {{0, 2}, {0, 3}, {1, 2}, {1, 3}};
    struct parts p;
    for (size_t i = 0; i < TUX_COUNT(filled); i++) {
        for (size_t k = 0; k < i; k++) {
            parts_of(&p);
            p.draft.atom[filled[i].atom].args[filled[i].argument] =
                p.draft.atom[filled[k].atom].args[filled[k].argument];
            refused(&p, shape);
        }
        parts_of(&p);
        p.draft.atom[filled[i].atom].args[filled[i].argument] = p.connection;
        refused(&p, shape);
    }
    parts_of(&p); /* data before the head, and behind it */
    p.draft.atom[0].args[1] = draft_data(&p.draft, "x", 1);
    refused(&p, shape);
    parts_of(&p);
    draft_data(&p.draft, "x", 1);
    refused(&p, shape);
    parts_of(&p);
    p.draft.cell[p.data].size--;
    refused(&p, shape);
}

static void wrong_numbers_are_refused(void)
{
    static const i64 lengths[] = {0, 1, -1, (i64)sizeof head - 2, (i64)sizeof head, INT64_MIN};
    static const i64 flags[] = {0, MSG_MORE, MSG_NOSIGNAL, MSG_MORE | MSG_NOSIGNAL | MSG_OOB, -1};
    static const i64 offsets[] = {-1, INT64_MIN, FILE_BYTES, FILE_BYTES - SLICE_BYTES + 1, INT64_MAX};
    static const i64 counts[] = {0, -1, INT64_MIN, FILE_BYTES - SLICE_AT + 1, INT64_MAX};
    struct parts p;
    for (size_t i = 0; i < TUX_COUNT(lengths); i++) {
        parts_of(&p);
        p.draft.cell[p.length].value = lengths[i];
        refused(&p, more);
    }
    for (size_t i = 0; i < TUX_COUNT(flags); i++) {
        parts_of(&p);
        p.draft.cell[p.flags].value = flags[i];
        refused(&p, more);
    }
    for (size_t i = 0; i < TUX_COUNT(offsets); i++) {
        parts_of(&p);
        p.draft.cell[p.offset].value = offsets[i];
        refused(&p, inside);
    }
    for (size_t i = 0; i < TUX_COUNT(counts); i++) {
        parts_of(&p);
        p.draft.cell[p.count].value = counts[i];
        refused(&p, inside);
    }
    parts_of(&p); /* in the file, but not what the head says */
    p.draft.cell[p.offset].value++;
    refused(&p, range_place);
    parts_of(&p);
    p.draft.cell[p.count].value--;
    refused(&p, range_place);
}

/* Wherever else they are said to stand, also far outside. */
static void wrong_places_are_refused(void)
{
    struct parts p;
    parts_of(&p);
    int32_t range_at = p.options.range_at, length_at = p.options.length_at, length = (int32_t)sizeof head;
    static const int32_t far[] = {INT32_MIN, INT32_MIN + 1, -1000, 1000, 1 << 20, INT32_MAX - 1, INT32_MAX};
    for (int32_t at = -40; at < length + 40 + (int32_t)TUX_COUNT(far); at++) {
        int32_t place = at < length + 40 ? at : far[at - length - 40];
        parts_of(&p);
        if (place != range_at) {
            p.options.range_at = place;
            refused(&p, range_place);
        }
        parts_of(&p);
        if (place != length_at) {
            p.options.length_at = place;
            refused(&p, length_place);
        }
    }
    parts_of(&p); /* a Date that would be written over them */
    p.options.date_at = range_at - TUX_DATE_BYTES + 1;
    refused(&p, range_place);
    parts_of(&p);
    p.options.date_at = length_at;
    refused(&p, "the Date lies outside the response's data");
}

#define OPENING "HTTP/1.1 206 Partial Content\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"

static void heads_that_say_something_else_are_refused(void)
{
    static const struct { const char *text, *sentence; } cases[] = {
        {OPENING "Content-Range: bytes 12-356/200001\r\nContent-Length: 345\r\n\r\n", range_place},
        {OPENING "Content-Range: bytes 12-356/2000000\r\nContent-Length: 345\r\n\r\n", range_place},
        {OPENING "Content-Range: bytes 12-356/*\r\nContent-Length: 345\r\n\r\n", range_place},
        {OPENING "Content-Range: bytes 12-0356/200000\r\nContent-Length: 345\r\n\r\n", range_place},
        {OPENING "Content-Rangs: bytes 12-356/200000\r\nContent-Length: 345\r\n\r\n", range_place},
        {OPENING "X-Content-Range: bytes 12-356/200000\r\nContent-Length: 345\r\n\r\n", range_place},
        {OPENING "Content-Range: bytes 12-356/200000\r\nContent-Length: 346\r\n\r\n", length_place},
        {OPENING "Content-Range: bytes 12-356/200000\r\nContent-Length: 3450\r\n\r\n", length_place},
        {OPENING "Content-Range: bytes 12-356/200000\r\nContent-Length: 345", length_place},
        {OPENING "Content-Range: bytes 12-356/200000\r\nX-Length: 345\r\n\r\n", length_place},
        {OPENING "Content-Length: 345\r\nContent-Range: bytes 12-356/200000\r\n\r\n", length_place},
    };
    struct parts p;
    for (size_t i = 0; i < TUX_COUNT(cases); i++) {
        parts_with(&p, cases[i].text);
        refused(&p, cases[i].sentence);
    }
    parts_with(&p, OPENING "Content-Range: bytes 12-356/200000\r\nContent-Length: 345\r\n\r\n");
    tux_response_drop(made(&p), &metrics);
}

/* A byte of the options or of the chain is anything: refused or harmless, never believed. For the sanitizers. */
static void random_damage_does_no_harm(void)
{
    u64 seed = 3;
    for (u32 round = 0; round < 30000; round++) {
        struct parts p;
        struct tux_response *response = NULL;
        char error[TUX_ERROR_BYTES];
        parts_of(&p);
        for (u32 changes = check_below(&seed, 3) + 1; changes > 0; changes--) {
            i64 number = (i64)check_random(&seed) >> check_below(&seed, 63);
            switch (check_below(&seed, 4)) {
            case 0: p.options.range_at = (int32_t)number; break;
            case 1: p.options.length_at = (int32_t)number; break;
            case 2: p.draft.cell[check_below(&seed, 7)].value = number; break;
            default: p.draft.atom[check_below(&seed, 2)].args[check_below(&seed, 4)] = (u16)(number & 7); break;
            }
        }
        if (make(&p, &response, error) != 0) continue;
        const struct tux_slice slice = {1, 2};
        tux_metric_add(&metrics.responses, 1);
        tux_metric_add(&metrics.blobs, 1);
        tux_blob_drop(tux_ranged_blob(response, &slice, date, &metrics), &metrics);
        tux_response_drop(response, &metrics);
    }
}

/* --- answers ----------------------------------------------------------------------------------------------------- */

/* What the judge would send. */
static size_t wanted_head(const struct tux_slice *slice, char *out, size_t room)
{
    return (size_t)snprintf(out, room,
                            "HTTP/1.1 206 Partial Content\r\nDate: %s\r\nContent-Range: bytes %llu-%llu/200000\r\n"
                            "ETag: \"x\"\r\nContent-Length: %llu\r\n\r\n",
                            date, (unsigned long long)slice->offset,
                            (unsigned long long)(slice->offset + slice->count - 1), (unsigned long long)slice->count);
}

static void answer(const struct tux_response *r, const struct tux_slice *slice, bool copied)
{
    char wanted[512];
    size_t bytes = wanted_head(slice, wanted, sizeof wanted);
    i64 cells[TUX_INNER_CELLS_MAX];
    struct tux_blob *blob = tux_ranged_blob(r, slice, date, &metrics);
    for (u16 i = 0; i < r->chain->cells; i++) cells[i] = r->chain->cell[i].value;
    tux_ranged_fill(r, slice, blob, cells);
    CHECK_EQ(blob->copied, copied ? slice->count : 0);
    CHECK_EQ(blob->bytes, bytes + blob->copied);
    CHECK(memcmp(blob->data, wanted, bytes) == 0);
    CHECK(memcmp(blob->data + bytes, content + slice->offset, blob->copied) == 0);
    CHECK_EQ(cells[r->ranged.length_cell], blob->bytes);
    CHECK(blob->bytes <= r->chain->cell[r->ranged.data_cell].size);
    CHECK_EQ(cells[r->ranged.offset_cell], slice->offset);
    CHECK_EQ(cells[r->ranged.count_cell], copied ? 0 : slice->count);
    CHECK_EQ(cells[r->ranged.flags_cell], MSG_NOSIGNAL | (copied ? MSG_DONTWAIT : MSG_MORE));
    tux_blob_drop(blob, &metrics);
}

/* Where this kernel or file system cannot read without waiting, nothing is copied. */
static bool can_copy(const struct tux_response *r)
{
    const struct tux_slice slice = {0, 1};
    struct tux_blob *blob = tux_ranged_blob(r, &slice, date, &metrics);
    bool copied = blob->copied == 1;
    tux_blob_drop(blob, &metrics);
    return copied;
}

static void any_slice_is_answered(void)
{
    struct parts p;
    parts_of(&p);
    struct tux_response *r = made(&p);
    bool copies = can_copy(r);
    u64 seed = 4;
    for (u32 round = 0; round < 20000; round++) {
        u64 offset = check_below(&seed, FILE_BYTES) >> check_below(&seed, 18);
        u64 count = 1 + (check_below(&seed, FILE_BYTES) >> check_below(&seed, 18)) % (FILE_BYTES - offset);
        const struct tux_slice slice = {offset, count};
        answer(r, &slice, copies && count <= TUX_COPIED_SLICE_BYTES_MAX);
    }
    static const struct tux_slice ends[] = {{0, 1}, {0, FILE_BYTES}, {FILE_BYTES - 1, 1}, {1, 65536}, {1, 65537}};
    for (size_t i = 0; i < TUX_COUNT(ends); i++)
        answer(r, &ends[i], copies && ends[i].count <= TUX_COPIED_SLICE_BYTES_MAX);
    CHECK(memcmp(r->blob->data, head, sizeof head - 1) == 0); /* the judge's own is as it was */
    CHECK_EQ(atomic_load(&metrics.copied_bytes), 0);
    tux_response_drop(r, &metrics);
}

/* Who does not read holds his copy; when many do, the others are sent theirs from the file. */
static void copies_are_bounded(void)
{
    enum { MOST = TUX_COPIED_BYTES_MAX / TUX_COPIED_SLICE_BYTES_MAX };
    struct parts p;
    parts_of(&p);
    struct tux_response *r = made(&p);
    bool copies = can_copy(r);
    static struct tux_blob *held[MOST];
    const struct tux_slice slice = {5, TUX_COPIED_SLICE_BYTES_MAX}, small = {5, 1};
    for (unsigned i = 0; i < MOST; i++) held[i] = tux_ranged_blob(r, &slice, date, &metrics);
    CHECK_EQ(atomic_load(&metrics.copied_bytes), copies ? TUX_COPIED_BYTES_MAX : 0);
    answer(r, &small, false);
    tux_blob_drop(held[0], &metrics);
    answer(r, &slice, copies);
    for (unsigned i = 1; i < MOST; i++) tux_blob_drop(held[i], &metrics);
    CHECK_EQ(atomic_load(&metrics.copied_bytes), 0);
    tux_response_drop(r, &metrics);
}

/* A file that has shrunk gives less than was asked for, and that is no copy; sendfile will find out. */
static void half_a_slice_is_no_copy(void)
{
    struct parts p;
    parts_of(&p);
    struct tux_response *r = made(&p);
    const struct tux_slice slice = {FILE_BYTES - 100, 100};
    CHECK_EQ(truncate(name, FILE_BYTES - 50), 0);
    answer(r, &slice, false);
    CHECK(!tux_response_file_holds(r));
    tux_response_drop(r, &metrics);
}

int main(void)
{
    u64 seed = 5;
    for (size_t i = 0; i < sizeof content; i++) content[i] = (u8)check_random(&seed);
    int fd = mkstemp(name);
    CHECK(fd >= 0 && write(fd, content, sizeof content) == (ssize_t)sizeof content);
    close(fd);
    a_wrong_shape_is_refused();
    a_cell_for_two_things_or_of_no_number_is_refused();
    wrong_numbers_are_refused();
    wrong_places_are_refused();
    heads_that_say_something_else_are_refused();
    random_damage_does_no_harm();
    any_slice_is_answered();
    copies_are_bounded();
    half_a_slice_is_no_copy();
    CHECK_EQ(atomic_load(&metrics.responses), 0);
    CHECK_EQ(atomic_load(&metrics.blobs), 0);
    unlink(name);
    return 0;
}
