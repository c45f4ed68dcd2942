/* test_range.c: which values of Range C reads, what they mean for a file of some size, and the key of any range. Each
 * against the same once more, slow and plain. */
#include "http/range.h"

#include "check.h"
#include "http/head.h"

static struct check_guard input, output;

static bool read_value(const void *value, size_t bytes, struct tux_range *range)
{
    return tux_range_read(check_guard_put(&input, value, bytes), bytes, range);
}

/* --- the strict form --------------------------------------------------------------------------------------------- */

static void the_strict_form_is_read(void)
{
    static const struct { const char *value; unsigned form; u64 first, last; } cases[] = {
        {"bytes=0-0", TUX_RANGE_CLOSED, 0, 0},
        {"bytes=0-499", TUX_RANGE_CLOSED, 0, 499},
        {"bytes=007-0010", TUX_RANGE_CLOSED, 7, 10},
        {"bytes=9-3", TUX_RANGE_CLOSED, 9, 3},
        {"bytes=0-", TUX_RANGE_OPEN, 0, 0},
        {"bytes=9500-", TUX_RANGE_OPEN, 9500, 0},
        {"bytes=-1", TUX_RANGE_SUFFIX, 1, 0},
        {"bytes=-0", TUX_RANGE_SUFFIX, 0, 0},
        {"bytes=999999999999999999-999999999999999999", TUX_RANGE_CLOSED, 999999999999999999, 999999999999999999},
        {"bytes=-999999999999999999", TUX_RANGE_SUFFIX, 999999999999999999, 0},
        {"bytes=000000000000000001-", TUX_RANGE_OPEN, 1, 0},
    };
    for (size_t i = 0; i < TUX_COUNT(cases); i++) {
        struct tux_range range;
        CHECK(read_value(cases[i].value, strlen(cases[i].value), &range));
        CHECK_EQ(range.form, cases[i].form);
        CHECK_EQ(range.first, cases[i].first);
        if (range.form == TUX_RANGE_CLOSED) CHECK_EQ(range.last, cases[i].last);
    }
}

static void nothing_else_is(void)
{
    static const char *const cases[] = {
        "", "b", "bytes", "bytes=", "bytes=-", "bytes=--1", "bytes=1", "bytes=1--2", "bytes=1-2-", "bytes=1-2-3",
        "Bytes=0-1", "BYTES=0-1", "bytes =0-1", "bytes= 0-1", "bytes=0 -1", "bytes=0- 1", "bytes=0-1 ", " bytes=0-1",
        "bytes=0-1,", ",bytes=0-1", "bytes=0-1,2-3", "bytes=,0-1", "bytes=0-1;", "items=0-1", "byte=0-1", "bytes:0-1",
        "bytes=+1-2", "bytes=1-+2", "bytes=1_0-20", "bytes=0x1-2", "bytes=a-b", "bytes=1-b", "bytes=a-1", "bytes=1.0-2",
        "bytes=0000000000000000000-1", "bytes=0-0000000000000000001", "bytes=-0000000000000000001",
        "bytes=1000000000000000000-", "bytes=0-99999999999999999999", "bytes=\xB2-3", "bytes=0/1", "bytes=:-;",
    };
    for (size_t i = 0; i < TUX_COUNT(cases); i++) {
        struct tux_range range;
        if (!read_value(cases[i], strlen(cases[i]), &range)) continue;
        fprintf(stderr, "is read: %s\n", cases[i]);
        exit(1);
    }
}

/* By a pattern: (digits)-(digits), one of them may be missing. */
static bool slow_read(const u8 *value, size_t bytes, struct tux_range *range)
{
    char text[64], sign = 0;
    size_t dash = 0, first = 0, last = 0;
    if (bytes >= sizeof text || bytes < 7 || strncmp((const char *)value, "bytes=", 6) != 0) return false;
    for (size_t i = 6; i < bytes; i++) {
        sign = (char)value[i];
        if (sign == '-' && dash > 0) return false;
        if (sign == '-') dash = i;
        else if (sign < '0' || sign > '9') return false;
        else if (dash > 0) last++;
        else first++;
    }
    if (dash == 0 || first + last == 0 || first > 18 || last > 18) return false;
    memcpy(text, value, bytes);
    text[bytes] = 0;
    range->form = first == 0 ? TUX_RANGE_SUFFIX : last == 0 ? TUX_RANGE_OPEN : TUX_RANGE_CLOSED;
    range->first = strtoull(first == 0 ? text + dash + 1 : text + 6, NULL, 10);
    range->last = strtoull(text + dash + 1, NULL, 10);
    return true;
}

static void random_values_are_read_alike(void)
{
    static const char likely[] = "0123456789--";
    u64 seed = 1;
    u32 strict = 0;
    for (u32 round = 0; round < 500000; round++) {
        u8 value[48] = "bytes=";
        size_t bytes = 6 + check_below(&seed, round % 4 ? 10 : 42);
        for (size_t i = 6; i < bytes; i++) value[i] = (u8)likely[check_below(&seed, sizeof likely - 1)];
        if (round % 4 == 0 && bytes > 26) value[6 + check_below(&seed, 20)] = '-';
        if (check_below(&seed, 4) == 0) value[check_below(&seed, bytes)] = (u8)check_random(&seed);
        struct tux_range range, wanted;
        bool got = read_value(value, bytes, &range), right = slow_read(value, bytes, &wanted);
        CHECK_EQ(got, right);
        if (!got) continue;
        strict++;
        CHECK(range.form == wanted.form && range.first == wanted.first);
        if (range.form == TUX_RANGE_CLOSED) CHECK_EQ(range.last, wanted.last);
    }
    CHECK(strict > 20000);
}

/* --- what is meant ----------------------------------------------------------------------------------------------- */

/* Every byte of a small file is asked whether it is meant. */
static void a_slice_is_the_bytes_that_are_meant(void)
{
    for (u64 size = 0; size <= 6; size++)
        for (u64 first = 0; first <= 8; first++)
            for (u64 last = 0; last <= 8; last++)
                for (unsigned form = TUX_RANGE_CLOSED; form <= TUX_RANGE_SUFFIX; form++) {
                    struct tux_range range = {.form = form, .first = first, .last = last};
                    struct tux_slice slice = {99, 99};
                    u64 from = 99, count = 0;
                    for (u64 at = 0; at < size; at++) {
                        bool meant = form == TUX_RANGE_SUFFIX ? at + first >= size
                                                              : at >= first && (form == TUX_RANGE_OPEN || at <= last);
                        if (meant && count++ == 0) from = at;
                    }
                    CHECK_EQ(tux_range_cut(&range, size, &slice), count > 0);
                    CHECK_EQ(slice.offset, count > 0 ? from : 99);
                    CHECK_EQ(slice.count, count > 0 ? count : 99);
                }
}

static void sizes_may_be_anything(void)
{
    static const u64 sizes[] = {1, 1ull << 31, (1ull << 32) + 5, INT64_MAX, UINT64_MAX};
    for (size_t i = 0; i < TUX_COUNT(sizes); i++) {
        u64 size = sizes[i];
        struct tux_slice slice;
        struct tux_range whole = {.form = TUX_RANGE_OPEN}, end = {.form = TUX_RANGE_SUFFIX, .first = 1};
        struct tux_range beyond = {.form = TUX_RANGE_CLOSED, .first = size, .last = size};
        struct tux_range across = {.form = TUX_RANGE_CLOSED, .first = size - 1, .last = UINT64_MAX};
        CHECK(tux_range_cut(&whole, size, &slice) && slice.offset == 0 && slice.count == size);
        CHECK(tux_range_cut(&end, size, &slice) && slice.offset == size - 1 && slice.count == 1);
        CHECK(tux_range_cut(&across, size, &slice) && slice.offset == size - 1 && slice.count == 1);
        CHECK(!tux_range_cut(&beyond, size, &slice));
    }
}

static void numbers_become_text(void)
{
    u64 seed = 2;
    for (u32 round = 0; round < 100000; round++) {
        u64 number = round < 1000 ? round : check_random(&seed) >> check_below(&seed, 64);
        char wanted[64];
        size_t length = (size_t)snprintf(wanted, sizeof wanted, "%llu", (unsigned long long)number);
        u8 *out = check_guard_room(&output, length > TUX_NUMBER_BYTES_MAX ? 0 : TUX_NUMBER_BYTES_MAX);
        CHECK_EQ(tux_number_text(number, out), length);
        CHECK(memcmp(out, wanted, length) == 0);
        struct tux_slice slice = {number / 2, number - number / 2 + 1};
        length = (size_t)snprintf(wanted, sizeof wanted, "%llu-%llu", (unsigned long long)slice.offset,
                                  (unsigned long long)number);
        out = check_guard_room(&output, TUX_SLICE_TEXT_MAX);
        CHECK_EQ(tux_slice_text(&slice, out), length);
        CHECK(memcmp(out, wanted, length) == 0);
    }
}

/* --- the key of any range ---------------------------------------------------------------------------------------- */

static struct tux_significant set;

static size_t key_of(const char *head, u8 *key, struct tux_spot *range)
{
    size_t length = strlen(head);
    return tux_head_key(check_guard_put(&input, head, length), length, &set, key, range);
}

#define LINE "GET / HTTP/1.1\r\nHost: a\r\n"

static void one_range_without_if_range_has_a_place(void)
{
    static const struct { const char *head, *value; } cases[] = {
        {LINE "\r\n", ""},
        {LINE "Range: bytes=0-1\r\n\r\n", "bytes=0-1"},
        {LINE "rAnGe:\t bytes=0-1 \t\r\nX: y\r\nAccept-Encoding: gzip\r\n\r\n", "bytes=0-1"},
        {LINE "Range:\r\n\r\n", ""},
        {LINE "Range: a\r\nRange: a\r\n\r\n", ""},
        {LINE "Range: a\r\nRange:\r\n\r\n", ""},
        {LINE "Range:\r\nRange: a\r\n\r\n", ""},
        {LINE "Range: a\r\nIf-Range: b\r\n\r\n", ""},
        {LINE "If-Range: b\r\nRange: a\r\n\r\n", ""},
        {LINE "If-Range:\r\nRange: a\r\n\r\n", ""},
        {LINE "If-Range: b\r\n\r\n", ""},
        {LINE "Ranges: a\r\nRange-: b\r\nIf-Ranges: c\r\nRange: d\r\n\r\n", "d"},
    };
    for (size_t i = 0; i < TUX_COUNT(cases); i++) {
        u8 key[512];
        struct tux_spot range;
        size_t bytes = key_of(cases[i].head, key, &range), value = strlen(cases[i].value);
        CHECK(bytes > 0 && range.at + range.bytes <= bytes);
        CHECK_EQ(range.bytes, value);
        CHECK(memcmp(key + range.at, cases[i].value, value) == 0);
    }
}

static void a_set_without_these_fields_knows_no_place(void)
{
    struct tux_significant other;
    CHECK_EQ(tux_significant_set(&other, (const char *[]){"host"}, 1), 0);
    u8 key[128];
    struct tux_spot range;
    static const char head[] = LINE "Range: a\r\n\r\n";
    CHECK(tux_head_key((const u8 *)head, sizeof head - 1, &other, key, &range) > 0);
    CHECK_EQ(range.bytes, 0);
}

/* Heads that differ in the range alone have one such key, all others have different ones; and a plain key is none. */
static void any_range_is_one_key(void)
{
    static const char *const around[][2] = {
        {LINE "Range: ", "\r\n\r\n"}, {LINE "Accept-Encoding: gzip\r\nRange: ", "\r\n\r\n"},
        {LINE "Range: ", "\r\nAccept-Encoding: gzip\r\n\r\n"}, {"GET /a HTTP/1.1\r\nHost: a\r\nRange: ", "\r\n\r\n"},
        {"GET / HTTP/1.0\r\nHost: a\r\nRange: ", "\r\n\r\n"}, {LINE "Host:\r\nRange: ", "\r\n\r\n"},
        {LINE "Range: ", "\r\nHost:\r\n\r\n"},
    };
    static const char *const values[] = {"bytes=0-0", "bytes=-5", "bytes=123456789012345678-123456789012345678", "b"};
    u8 keys[TUX_COUNT(around)][256];
    size_t lengths[TUX_COUNT(around)];
    for (size_t a = 0; a < TUX_COUNT(around); a++)
        for (size_t v = 0; v < TUX_COUNT(values); v++) {
            char head[256];
            struct tux_spot range;
            snprintf(head, sizeof head, "%s%s%s", around[a][0], values[v], around[a][1]);
            u8 *key = check_guard_room(&output, strlen(head));
            size_t bytes = key_of(head, key, &range);
            CHECK(bytes > 0 && memchr(key, TUX_ANY_RANGE, bytes) == NULL);
            size_t hidden = tux_range_hide(key, bytes, range.at, range.bytes);
            CHECK_EQ(hidden, bytes - strlen(values[v]) + 1);
            if (v == 0) memcpy(keys[a], key, lengths[a] = hidden);
            CHECK(hidden == lengths[a] && memcmp(keys[a], key, hidden) == 0);
            CHECK(memchr(key, TUX_ANY_RANGE, hidden) == key + range.at);
        }
    for (size_t a = 0; a < TUX_COUNT(around); a++)
        for (size_t b = 0; b < a; b++) CHECK(lengths[a] != lengths[b] || memcmp(keys[a], keys[b], lengths[a]) != 0);
}

int main(void)
{
    input = check_guard_open(4096);
    output = check_guard_open(4096);
    CHECK_EQ(tux_significant_set(&set, (const char *[]){"host", "range", "accept-encoding", "if-range"}, 4), 0);
    the_strict_form_is_read();
    nothing_else_is();
    random_values_are_read_alike();
    a_slice_is_the_bytes_that_are_meant();
    sizes_may_be_anything();
    numbers_become_text();
    one_range_without_if_range_has_a_place();
    a_set_without_these_fields_knows_no_place();
    any_range_is_one_key();
    return 0;
}
