/* test_head.c: where a head ends, which heads have a key, and what is in it. */
#include "check.h"
#include "http/head.h"

static struct tux_significant set;
static struct check_guard input, output;

enum { HEAD_ROOM = 4096 };

/* The key of `head`, both against the guard: neither the read nor the write may go one byte too far. */
static size_t key_of(const void *head, size_t length, const u8 **key)
{
    const u8 *in = check_guard_put(&input, head, length);
    u8 *out = check_guard_room(&output, length);
    struct tux_spot range;
    size_t bytes = tux_head_key(in, length, &set, out, &range);
    CHECK(bytes <= length);
    *key = out;
    return bytes;
}

static size_t end_of(const void *bytes, size_t length, size_t from)
{
    return tux_head_end(check_guard_put(&input, bytes, length), length, from);
}

static void an_end_is_lf_maybe_cr_lf(void)
{
    static const struct { const char *bytes; size_t end; } cases[] = {
        {"", 0}, {"\n", 0}, {"\r\n", 0}, {"a\r\n\r", 0}, {"a\n\r\r\n", 0}, {"a\n\rb\n", 0}, {"\r\n\r", 0},
        {"\n\n", 2}, {"\n\r\n", 3}, {"\r\n\r\n", 4}, {"a\n\n", 3}, {"a\r\n\n", 4}, {"a\n\r\n", 4},
        {"GET / HTTP/1.1\r\n\r\n", 18}, {"GET / HTTP/1.1\r\n\r\nGET", 18}, {"a\n\nb\n\n", 3}, {"a\nb\nc\r\n\r\n", 9},
    };
    for (size_t i = 0; i < TUX_COUNT(cases); i++)
        CHECK_EQ(end_of(cases[i].bytes, strlen(cases[i].bytes), 0), cases[i].end);
}

/* Whatever `from` the caller remembers, the end is seen with the byte that completes it, and not before. */
static void an_end_is_found_byte_by_byte(void)
{
    static const char *const heads[] = {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\n\n", "a\r\n\n", "\n\r\n"};
    for (size_t i = 0; i < TUX_COUNT(heads); i++) {
        size_t whole = strlen(heads[i]);
        for (size_t length = 0; length < whole; length++)
            for (size_t from = 0; from <= length; from++) CHECK_EQ(end_of(heads[i], length, from), 0);
        for (size_t from = 0; from < whole; from++) CHECK_EQ(end_of(heads[i], whole, from), whole);
    }
}

#define LINE "GET / HTTP/1.1\r\n"
#define HOST "Host: a\r\n"
#define TEXT(literal) {literal, sizeof(literal) - 1}

struct text { const char *bytes; size_t length; };

static void the_strict_form_has_a_key(void)
{
    static const struct text heads[] = {
        TEXT(LINE "\r\n"), TEXT(LINE HOST "\r\n"), TEXT("HEAD /a?b=%20&c HTTP/1.0\r\n" HOST "\r\n"),
        TEXT("OPTIONS * HTTP/1.1\r\n" HOST "\r\n"), TEXT("GET http://a/b HTTP/1.1\r\n" HOST "\r\n"),
        TEXT("M-SEARCH!#$%&'*+.^_`|~ /\"<>[]\\{}^`|~ HTTP/1.1\r\n" HOST "\r\n"),
        TEXT(LINE "Host:a\r\nX:\r\nY: \t \r\nZ-1!: b\tc\x80\xFF \r\n\r\n"), TEXT("get / HTTP/1.1\r\n\r\n"),
    };
    const u8 *key;
    for (size_t i = 0; i < TUX_COUNT(heads); i++) CHECK(key_of(heads[i].bytes, heads[i].length, &key) > 0);
}

static void everything_else_has_none(void)
{
    static const struct text heads[] = {
        TEXT(""), TEXT("\r\n"), TEXT("\r\n\r\n"), TEXT("\r\n" LINE HOST "\r\n"), TEXT("\n" LINE HOST "\r\n"),
        TEXT("GET / HTTP/1.1"), TEXT(LINE), TEXT(LINE "\r"), TEXT(LINE HOST), TEXT(LINE HOST "\r"),
        TEXT("GET / HTTP/1.1\n\r\n"), TEXT(LINE "Host: a\n\r\n"), TEXT(LINE HOST "\n"), TEXT(LINE "\n\r\n"),
        TEXT(LINE HOST "\r\n\r\n"), TEXT(LINE HOST "\r\nx"),
        TEXT("GET / HTTP/1.1\r"), TEXT("GET /\r HTTP/1.1\r\n\r\n"), TEXT("GET / HTTP/1.1\r\r\n\r\n"),
        TEXT(LINE "Host: a\rb\r\n\r\n"), TEXT(LINE "Host: a\r\r\n\r\n"), TEXT(LINE "Ho\rst: a\r\n\r\n"),
        TEXT(LINE "Host: a\0\r\n\r\n"), TEXT(LINE "Ho\0st: a\r\n\r\n"), TEXT("GET /\0 HTTP/1.1\r\n\r\n"),
        TEXT(LINE "X: a\x01\r\n\r\n"), TEXT(LINE "X: a\x7F\r\n\r\n"), TEXT(LINE "X: a\x0B\r\n\r\n"),
        TEXT(LINE HOST " folded\r\n\r\n"), TEXT(LINE HOST "\tfolded\r\n\r\n"), TEXT(LINE " first\r\n\r\n"),
        TEXT(LINE "Host : a\r\n\r\n"), TEXT(LINE "Host\t: a\r\n\r\n"), TEXT(LINE ": a\r\n\r\n"),
        TEXT(LINE "Host\r\n\r\n"), TEXT(LINE "H(st: a\r\n\r\n"), TEXT(LINE "H\xF6st: a\r\n\r\n"),
        TEXT("GET  / HTTP/1.1\r\n\r\n"), TEXT("GET /  HTTP/1.1\r\n\r\n"), TEXT("GET / HTTP/1.1 \r\n\r\n"),
        TEXT(" GET / HTTP/1.1\r\n\r\n"), TEXT("GET\t/ HTTP/1.1\r\n\r\n"), TEXT("GET /\tHTTP/1.1\r\n\r\n"),
        TEXT("GET / HTTP/2.0\r\n\r\n"), TEXT("GET / HTTP/1.2\r\n\r\n"), TEXT("GET / HTTP/1.10\r\n\r\n"),
        TEXT("GET / http/1.1\r\n\r\n"), TEXT("GET / HTTP/1,1\r\n\r\n"), TEXT("GET / HTTP/0.9\r\n\r\n"),
        TEXT("GET /\r\n\r\n"), TEXT("GET HTTP/1.1\r\n\r\n"), TEXT("/ HTTP/1.1\r\n\r\n"), TEXT("GET  HTTP/1.1\r\n\r\n"),
        TEXT("G(T / HTTP/1.1\r\n\r\n"), TEXT("GET /a b HTTP/1.1\r\n\r\n"), TEXT("GET /\xE4 HTTP/1.1\r\n\r\n"),
        TEXT("GET /\x7F HTTP/1.1\r\n\r\n"), TEXT("GET / HTTP/1.1\r\n" HOST "\r\nGET"),
    };
    const u8 *key;
    for (size_t i = 0; i < TUX_COUNT(heads); i++)
        if (key_of(heads[i].bytes, heads[i].length, &key) != 0) {
            fprintf(stderr, "case %zu has a key: %s\n", i, heads[i].bytes);
            exit(1);
        }
}

static void keys_are(const char *head, const char *wanted)
{
    const u8 *key;
    size_t bytes = key_of(head, strlen(head), &key);
    CHECK_EQ(bytes, strlen(wanted));
    CHECK(memcmp(key, wanted, bytes) == 0);
}

/* The set of main(): host is number 1, range 2, accept-encoding 3. */
static void the_key_is_the_line_and_the_significant_fields(void)
{
    keys_are(LINE "\r\n", "GET / HTTP/1.1\n");
    keys_are(LINE HOST "\r\n", "GET / HTTP/1.1\n\1a\n");
    keys_are(LINE "Range: bytes=0-\r\n" HOST "\r\n", "GET / HTTP/1.1\n\2bytes=0-\n\1a\n");
    keys_are(LINE HOST "Range:\r\nHost: b\r\n\r\n", "GET / HTTP/1.1\n\1a\n\2\n\1b\n");
}

static void inert_fields_do_not_change_the_key(void)
{
    static const char wanted[] = "GET / HTTP/1.1\n\1a\n";
    keys_are(LINE "User-Agent: x\r\n" HOST "\r\n", wanted);
    keys_are(LINE HOST "Cookie: \t host: b\r\nAccept: */*\r\n\r\n", wanted);
    keys_are(LINE "Hos: c\r\n" HOST "Hostt: d\r\nHost-: e\r\nHosu: f\r\nHOS\x54!: g\r\nX:\r\n\r\n", wanted);
    keys_are(LINE HOST "A-name-that-is-longer-than-forty-bytes-0123456789: x\r\n\r\n", wanted);
    keys_are(LINE HOST "Accept_Encoding: x\r\n\r\n", wanted);
}

static void names_have_no_case_and_values_no_margin(void)
{
    static const char wanted[] = "GET / HTTP/1.1\n\1A b\n\3gzip\n";
    keys_are(LINE "Host: A b\r\nAccept-Encoding: gzip\r\n\r\n", wanted);
    keys_are(LINE "HOST:A b\r\naccept-encoding:gzip\r\n\r\n", wanted);
    keys_are(LINE "hOsT: \t \tA b\t \t\r\nACCEPT-encodinG:\tgzip\t\r\n\r\n", wanted);
    keys_are(LINE "host: a b\r\nAccept-Encoding: gzip\r\n\r\n", "GET / HTTP/1.1\n\1a b\n\3gzip\n");
}

static void a_set_has_limits(void)
{
    struct tux_significant other;
    const char *many[TUX_SIGNIFICANT_MAX + 1];
    for (size_t i = 0; i < TUX_COUNT(many); i++) many[i] = "x";
    CHECK_EQ(tux_significant_set(&other, many, TUX_SIGNIFICANT_MAX), 0);
    CHECK_EQ(tux_significant_set(&other, many, TUX_SIGNIFICANT_MAX + 1), -EINVAL);
    CHECK_EQ(tux_significant_set(&other, (const char *[]){""}, 1), -EINVAL);
    CHECK_EQ(tux_significant_set(&other, (const char *[]){"a-name-of-forty-bytes-is-the-longest-one."}, 1), -EINVAL);
    CHECK_EQ(tux_significant_set(&other, (const char *[]){"a-name-of-forty-bytes-is-the-longest-one"}, 1), 0);
    CHECK_EQ(tux_significant_set(&other, NULL, 0), 0);
}

/* --- the same once more, slow and plain, to compare with --------------------------------------------------------- */

static bool all_in(const u8 *bytes, size_t length, const char *set_of, int above)
{
    for (size_t i = 0; i < length; i++)
        if (bytes[i] == 0 || (set_of ? !strchr(set_of, bytes[i]) : bytes[i] <= above || bytes[i] >= 0x7F)) return false;
    return length > 0;
}

static const char token[] = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

static size_t slow_field(const u8 *line, size_t length, u8 *key)
{
    static const char *const names[] = {"host", "range", "accept-encoding"};
    const u8 *colon = memchr(line, ':', length);
    if (!colon || !all_in(line, (size_t)(colon - line), token, 0)) return SIZE_MAX;
    const u8 *value = colon + 1, *end = line + length;
    for (const u8 *at = value; at < end; at++)
        if ((*at < ' ' && *at != '\t') || *at == 0x7F) return SIZE_MAX;
    while (value < end && (*value == ' ' || *value == '\t')) value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t')) end--;
    for (u8 i = 0; i < TUX_COUNT(names); i++) {
        size_t bytes = strlen(names[i]);
        if (bytes != (size_t)(colon - line) || strncasecmp(names[i], (const char *)line, bytes) != 0) continue;
        *key = (u8)(i + 1);
        memcpy(key + 1, value, (size_t)(end - value));
        key[1 + (end - value)] = '\n';
        return (size_t)(end - value) + 2;
    }
    return 0;
}

static bool slow_request_line(const u8 *line, size_t length)
{
    const u8 *first = memchr(line, ' ', length), *last = memrchr(line, ' ', length), *end = line + length;
    if (!first || first == last || end - last != 9) return false;
    if (memcmp(last, " HTTP/1.0", 9) != 0 && memcmp(last, " HTTP/1.1", 9) != 0) return false;
    return all_in(line, (size_t)(first - line), token, 0) && all_in(first + 1, (size_t)(last - first - 1), NULL, ' ');
}

static size_t slow_key(const u8 *head, size_t length, u8 *key)
{
    size_t used = 0;
    for (size_t at = 0, line = 0; at < length; line++) {
        const u8 *lf = memchr(head + at, '\n', length - at);
        if (!lf || lf == head + at || lf[-1] != '\r') return 0;
        size_t bytes = (size_t)(lf - 1 - (head + at));
        if (line == 0) {
            if (!slow_request_line(head + at, bytes)) return 0;
            memcpy(key, head + at, bytes);
            key[bytes] = '\n';
            used = bytes + 1;
        } else if (bytes == 0) {
            return lf + 1 == head + length ? used : 0;
        } else {
            size_t more = slow_field(head + at, bytes, key + used);
            if (more == SIZE_MAX) return 0;
            used += more;
        }
        at = (size_t)(lf + 1 - head);
    }
    return 0;
}

static size_t slow_end(const u8 *bytes, size_t length)
{
    for (size_t i = 1; i < length; i++) {
        if (bytes[i] != '\n') continue;
        if (bytes[i - 1] == '\n' || (i > 1 && bytes[i - 1] == '\r' && bytes[i - 2] == '\n')) return i + 1;
    }
    return 0;
}

/* One change: a byte replaced, taken out or put in, or the end cut off. Bytes that mean something come more often. */
static size_t mutate(u8 *head, size_t length, u64 *seed)
{
    static const u8 notable[] = "\r\n\r\n \t:::\0\x7F\x1F\x80HhRr01/";
    size_t at = check_below(seed, length + 1);
    u8 byte = check_below(seed, 4) ? notable[check_below(seed, sizeof notable)] : (u8)check_random(seed);
    switch (check_below(seed, 8)) {
    case 0: return at;
    case 1: case 2:
        if (at == length) return length;
        memmove(head + at, head + at + 1, length - at - 1);
        return length - 1;
    case 3: case 4:
        memmove(head + at + 1, head + at, length - at);
        head[at] = byte;
        return length + 1;
    default:
        if (at < length) head[at] = byte;
        return length;
    }
}

static void mutants_are_judged_alike(void)
{
    static const char *const seeds[] = {
        LINE "\r\n", LINE HOST "\r\n", LINE "host:\ta \r\nRANGE: bytes=0-1\r\nX-Y: z\r\n\r\n",
        "HEAD /a?b HTTP/1.0\r\nAccept-Encoding: gzip, br\r\nUser-Agent: \x80 (a; b)\r\nHost: example.org:80\r\n\r\n",
    };
    u64 seed = 1;
    u32 strict = 0;
    for (u32 round = 0; round < 200000; round++) {
        const char *start = seeds[round % TUX_COUNT(seeds)];
        u8 head[512], wanted[512];
        size_t length = strlen(start);
        memcpy(head, start, length);
        for (u32 changes = check_below(&seed, 3) + 1; changes > 0; changes--) length = mutate(head, length, &seed);
        const u8 *key;
        size_t bytes = key_of(head, length, &key), slow = slow_key(head, length, wanted);
        CHECK_EQ(bytes, slow);
        CHECK(memcmp(key, wanted, bytes) == 0);
        CHECK_EQ(end_of(head, length, check_below(&seed, 4)), slow_end(head, length));
        strict += bytes > 0;
    }
    CHECK(strict > 20000); /* enough of both kinds, or the comparison says little */
    CHECK(strict < 180000);
}

int main(void)
{
    input = check_guard_open(HEAD_ROOM);
    output = check_guard_open(HEAD_ROOM);
    CHECK_EQ(tux_significant_set(&set, (const char *[]){"host", "range", "accept-encoding"}, 3), 0);
    an_end_is_lf_maybe_cr_lf();
    an_end_is_found_byte_by_byte();
    the_strict_form_has_a_key();
    everything_else_has_none();
    the_key_is_the_line_and_the_significant_fields();
    inert_fields_do_not_change_the_key();
    names_have_no_case_and_values_no_margin();
    a_set_has_limits();
    mutants_are_judged_alike();
    return 0;
}
