/* head.h: where a request head ends, and its key. Pure: bytes in, numbers out. */
#ifndef TUX_HEAD_H
#define TUX_HEAD_H

#include "base/base.h"

/* The fields that can change an answer. Python hands the list down once. */
struct tux_significant {
    u32 count;
    int range, if_range; /* the numbers of Range and If-Range, -1 if they are not significant */
    u64 first_letters[TUX_NAME_BYTES_MAX + 1]; /* by length of the name: bit (letter & 31) for each first letter */
    struct { u8 length; char name[TUX_NAME_BYTES_MAX]; } field[TUX_SIGNIFICANT_MAX];
};

int tux_significant_set(struct tux_significant *set, const char *const *names, u32 count);

/* Bytes up to and including the empty line, searched from `from` on (bytes before it hold no end); 0 when incomplete.
 * The end is LF [CR] LF, exactly where h11 sees it, so that both agree even on heads that are then refused. */
size_t tux_head_end(const u8 *bytes, size_t length, size_t from);

/* Can only the next request follow this head, on a connection that stays open? Yes if it is in the strict form, GET or
 * HEAD, HTTP/1.1, and no field announces a body or closes the connection. */
bool tux_head_is_plain(const u8 *head, size_t length);

/* The position of a value in a key; no bytes: it is not there. */
struct tux_spot {
    size_t at, bytes;
};

/* The key of a complete head in the strict form: the request line and the significant fields, in order. `key` has room
 * for `length` bytes. 0 when the head is not in the strict form: then only h11 can read it. `range` becomes the
 * position of the value of Range, if there is exactly one such field and no If-Range. */
size_t tux_head_key(const u8 *head, size_t length, const struct tux_significant *set, u8 *key, struct tux_spot *range);

#endif
