/* fields.h: lenient lookup of header fields in an unparsed head, for logging and proxies. Pure. */
#ifndef TUX_FIELDS_H
#define TUX_FIELDS_H

#include "base/base.h"

struct text {
    const u8 *bytes; /* NULL: there is none */
    size_t length;
};

static const struct text none = {NULL, 0};

static inline struct text trimmed(const u8 *from, const u8 *to)
{
    while (from < to && (*from == ' ' || *from == '\t')) from++;
    while (to > from && (to[-1] == ' ' || to[-1] == '\t' || to[-1] == '\r' || to[-1] == '\n')) to--;
    return (struct text){from, (size_t)(to - from)};
}

/* The end of the line at `at`, before its LF. */
static inline const u8 *line_end(const u8 *at, const u8 *end)
{
    const u8 *found = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
    return found ? found : end;
}

/* Names compare without case; `name` is in lower case. */
static inline bool is_named(const u8 *line, const u8 *end, const u8 *name, size_t length)
{
    if ((size_t)(end - line) <= length || line[length] != ':') return false;
    for (size_t i = 0; i < length; i++)
        if ((line[i] >= 'A' && line[i] <= 'Z' ? line[i] | 0x20 : line[i]) != name[i]) return false;
    return true;
}

/* The value of a field; of several lines the first. */
static inline struct text field_of(struct text head, const u8 *name, size_t length)
{
    const u8 *end = head.bytes + head.length, *at = line_end(head.bytes, end);
    while (at < end) {
        const u8 *line = at + 1, *stop = line_end(line, end);
        if (is_named(line, stop, name, length)) return trimmed(line + length + 1, stop);
        at = stop;
    }
    return none;
}

/* The same, of several lines the last that begins before `limit`, which moves to where that line begins. */
static inline struct text field_before(struct text head, const u8 **limit, const u8 *name, size_t length)
{
    const u8 *end = head.bytes + head.length, *at = line_end(head.bytes, end), *found_at = NULL;
    struct text found = none;
    while (at < end && at + 1 < *limit) {
        const u8 *line = at + 1, *stop = line_end(line, end);
        if (is_named(line, stop, name, length)) {
            found = trimmed(line + length + 1, stop);
            found_at = line;
        }
        at = stop;
    }
    if (found_at) *limit = found_at;
    return found;
}

#endif
