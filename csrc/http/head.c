/* head.c: C recognises, Python judges.
 *
 * The strict form is a subset of what h11 accepts: CRLF line ends only, one space on each side of the target, a token
 * as name, no space before the colon, no folding, no control bytes. Everything else, however legal, is "not strict" and
 * goes up untouched. A significant field enters the key with its number and its value; the rest is validated and
 * skipped. */
#include "http/head.h"

#include <strings.h>

/* Bits of byte_class. */
enum { TOKEN = 1, TARGET = 2 };

/* tchar of RFC 9110 section 5.6.2, and the visible bytes of which a target is made. */
static const u8 byte_class[256] = {
    ['!'] = TOKEN | TARGET,
    ['"'] = TARGET,
    ['#'] = TOKEN | TARGET,
    ['$'] = TOKEN | TARGET,
    ['%'] = TOKEN | TARGET,
    ['&'] = TOKEN | TARGET,
    ['\''] = TOKEN | TARGET,
    ['('] = TARGET,
    [')'] = TARGET,
    ['*'] = TOKEN | TARGET,
    ['+'] = TOKEN | TARGET,
    [','] = TARGET,
    ['-'] = TOKEN | TARGET,
    ['.'] = TOKEN | TARGET,
    ['/'] = TARGET,
    ['0' ... '9'] = TOKEN | TARGET,
    [':'] = TARGET,
    [';'] = TARGET,
    ['<'] = TARGET,
    ['='] = TARGET,
    ['>'] = TARGET,
    ['?'] = TARGET,
    ['@'] = TARGET,
    ['A' ... 'Z'] = TOKEN | TARGET,
    ['['] = TARGET,
    ['\\'] = TARGET,
    [']'] = TARGET,
    ['^'] = TOKEN | TARGET,
    ['_'] = TOKEN | TARGET,
    ['`'] = TOKEN | TARGET,
    ['a' ... 'z'] = TOKEN | TARGET,
    ['{'] = TARGET,
    ['|'] = TOKEN | TARGET,
    ['}'] = TARGET,
    ['~'] = TOKEN | TARGET,
};

int tux_significant_set(struct tux_significant *set, const char *const *names, u32 count)
{
    if (count > TUX_SIGNIFICANT_MAX) return -EINVAL;
    *set = (struct tux_significant){.count = count, .range = -1, .if_range = -1};
    for (u32 i = 0; i < count; i++) {
        size_t length = strlen(names[i]);
        if (length == 0 || length > TUX_NAME_BYTES_MAX) return -EINVAL;
        set->field[i].length = (u8)length;
        memcpy(set->field[i].name, names[i], length);
        set->first_letters[length] |= 1u << (names[i][0] & 31);
        if (strcmp(names[i], "range") == 0) set->range = (int)i;
        if (strcmp(names[i], "if-range") == 0) set->if_range = (int)i;
    }
    return 0;
}

size_t tux_head_end(const u8 *bytes, size_t length, size_t from)
{
    const u8 *at = bytes + (from < 3 ? 0 : from - 3), *end = bytes + length;
    while ((at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        at++;
        if (at < end && *at == '\n') return (size_t)(at + 1 - bytes);
        if (at + 1 < end && at[0] == '\r' && at[1] == '\n') return (size_t)(at + 2 - bytes);
    }
    return 0;
}

/* Number of the significant field with this name, or -1. Letters compare without case; `| 0x20` may also map other
 * bytes together, but none of them that are token bytes and not letters land on a letter, '-' or a digit. */
static int significant(const struct tux_significant *set, const u8 *name, size_t length)
{
    if (length > TUX_NAME_BYTES_MAX || !(set->first_letters[length] >> (name[0] & 31) & 1)) return -1;
    for (u32 i = 0; i < set->count; i++) {
        if (set->field[i].length != length) continue;
        size_t at = 0;
        while (at < length &&
               (name[at] >= 'A' && name[at] <= 'Z' ? name[at] | 0x20 : name[at]) == (u8)set->field[i].name[at])
            at++;
        if (at == length) return (int)i;
    }
    return -1;
}

/* Length of the request line without its CRLF if it is METHOD SP TARGET SP HTTP/1.[01]; 0 otherwise. */
static size_t request_line(const u8 *line, const u8 *end)
{
    const u8 *at = line;
    while (at < end && (byte_class[*at] & TOKEN)) at++;
    if (at == line || at == end || *at != ' ') return 0;
    const u8 *target = ++at;
    while (at < end && (byte_class[*at] & TARGET)) at++;
    if (at == target || end - at < 11 || memcmp(at, " HTTP/1.", 8) != 0) return 0;
    if ((at[8] != '0' && at[8] != '1') || at[9] != '\r' || at[10] != '\n') return 0;
    return (size_t)(at + 9 - line);
}

static bool byte_is_clean(u8 byte) { return (byte >= 0x20 || byte == '\t') && byte != 0x7F; }

/* Nothing below space but HTAB, and no DEL. Eight bytes at a time: a byte that is below space, or that is DEL, raises
 * its top bit in `odd` (as may, by a borrow, one above it; a tab does too), and only then each byte is tested.
 * A browser's head takes 340 ns byte by byte, and 155 ns in this way. */
static bool value_is_clean(const u8 *value, size_t length)
{
    const u64 ones = 0x0101010101010101u;
    size_t at = 0;
    for (; at + 8 <= length; at += 8) {
        u64 word;
        memcpy(&word, value + at, 8);
        u64 del = word ^ (ones * 0x7F);
        u64 odd = (((word - ones * 0x20) & ~word) | ((del - ones) & ~del)) & (ones * 0x80);
        for (size_t i = 0; odd != 0 && i < 8; i++)
            if (!byte_is_clean(value[at + i])) return false;
    }
    for (; at < length; at++)
        if (!byte_is_clean(value[at])) return false;
    return true;
}

size_t tux_head_key(const u8 *head, size_t length, const struct tux_significant *set, u8 *key, struct tux_spot *range)
{
    const u8 *end = head + length;
    unsigned ranges = 0; /* an If-Range is as bad as a second Range */
    *range = (struct tux_spot){0};
    size_t line = request_line(head, end), used = line;
    if (line == 0) return 0;
    memcpy(key, head, line);
    key[used++] = '\n';
    const u8 *at = head + line + 2;
    for (;;) {
        if (end - at < 2) return 0;
        if (at[0] == '\r') {
            if (ranges != 1) range->bytes = 0;
            return at[1] == '\n' && at + 2 == end ? used : 0;
        }
        const u8 *name = at;
        while (at < end && (byte_class[*at] & TOKEN)) at++;
        if (at == name || at == end || *at != ':') return 0;
        size_t name_length = (size_t)(at - name);
        const u8 *value = ++at, *line_end = memchr(at, '\n', (size_t)(end - at));
        if (!line_end || line_end == value || line_end[-1] != '\r') return 0;
        const u8 *value_end = line_end - 1;
        if (!value_is_clean(value, (size_t)(value_end - value))) return 0;
        at = line_end + 1;
        int number = significant(set, name, name_length);
        if (number < 0) continue;
        while (value < value_end && (*value == ' ' || *value == '\t')) value++;
        while (value_end > value && (value_end[-1] == ' ' || value_end[-1] == '\t')) value_end--;
        key[used++] = (u8)(number + 1);
        if (number == set->range) {
            *range = (struct tux_spot){.at = used, .bytes = (size_t)(value_end - value)};
            ranges++;
        }
        if (number == set->if_range) ranges += 2;
        memcpy(key + used, value, (size_t)(value_end - value));
        used += (size_t)(value_end - value);
        key[used++] = '\n';
    }
}

bool tux_head_is_plain(const u8 *head, size_t length)
{
    static const char *const names[] = {"connection", "content-length", "transfer-encoding", "expect", "upgrade"};
    struct tux_significant set; /* built each time: only clients that ran into a limit get here, so it is rare */
    u8 key[TUX_PLAIN_BYTES_MAX];
    struct tux_spot range;
    if (length < 5 || length > sizeof key) return false;
    if (memcmp(head, "GET ", 4) != 0 && memcmp(head, "HEAD ", 5) != 0) return false;
    if (tux_significant_set(&set, names, TUX_COUNT(names)) != 0) return false;
    size_t bytes = tux_head_key(head, length, &set, key, &range);
    static const u8 keep_alive[] = "\1keep-alive\n"; /* browsers send it, although it is the default */
    const u8 *line_end = bytes ? memchr(key, '\n', bytes) : NULL;
    if (!line_end || line_end[-1] != '1') return false;
    size_t rest = bytes - (size_t)(line_end + 1 - key);
    return rest == 0 || (rest == sizeof keep_alive - 1 &&
                         strncasecmp((const char *)line_end + 1, (const char *)keep_alive, rest) == 0);
}
