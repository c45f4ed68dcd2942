/* floor 1 · head.h: where a request head ends, and its key. Pure: bytes in, numbers out. */
#ifndef TUX_HEAD_H
#define TUX_HEAD_H

#include "base.h"

/* The fields that can change an answer. Python hands the list down once. */
struct tux_significant {
    u32 count;
    int range, if_range; /* the numbers of these two, -1 when they are not among them */
    u64 first_letters[TUX_NAME_BYTES_MAX + 1]; /* by length of the name: bit (letter & 31) for each first letter */
    struct { u8 length; char name[TUX_NAME_BYTES_MAX]; } field[TUX_SIGNIFICANT_MAX];
};

int tux_significant_set(struct tux_significant *set, const char *const *names, u32 count);

/* Bytes up to and including the empty line, searched from `from` on (bytes before it hold no end); 0 when incomplete.
 * The end is LF [CR] LF, exactly where h11 sees it, so that both agree even on heads that are then refused. */
size_t tux_head_end(const u8 *bytes, size_t length, size_t from);

/* Whether nothing but the next request can follow this head, and its connection stays open: it is of the strict form,
 * GET or HEAD, HTTP/1.1, and no field announces a body or says otherwise. */
bool tux_head_is_plain(const u8 *head, size_t length);

/* Where in a key a value stands; no bytes: nowhere. */
struct tux_spot {
    size_t at, bytes;
};

/* The key of a complete head in the strict form: the request line and the significant fields, in order. `key` has room
 * for `length` bytes. 0 when the head is not in the strict form: then only h11 may speak about it. `range` becomes the
 * place of the value of Range, if there is exactly one such field and no If-Range that would have a say in it. */
size_t tux_head_key(const u8 *head, size_t length, const struct tux_significant *set, u8 *key, struct tux_spot *range);

#endif
