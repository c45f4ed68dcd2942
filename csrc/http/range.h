/* range.h: one range of a file: the strict form of its value, the slice that it means, numbers as text. Pure:
 * bytes in, numbers out.
 *
 * The strict form is `bytes=first-last`, `bytes=first-` or `bytes=-suffix`, digits only. It is a subset of what
 * tuxpy/http/ranges.py reads, and means the same there. Everything else, however legal, is the judge's. */
#ifndef TUX_RANGE_H
#define TUX_RANGE_H

#include "base/base.h"

#define TUX_RANGE_DIGITS_MAX 18 /* of a number in a request: a longer one is in no file */
#define TUX_NUMBER_BYTES_MAX 20 /* of any u64 as text */
#define TUX_SLICE_TEXT_MAX (2 * TUX_NUMBER_BYTES_MAX + 1)

/* In a key, in the place of the value of Range: a byte that no value can hold (head.c), so no head makes such a key. */
#define TUX_ANY_RANGE 0u

/* A range as it is requested. */
struct tux_range {
    enum { TUX_RANGE_CLOSED, TUX_RANGE_OPEN, TUX_RANGE_SUFFIX } form;
    u64 first; /* of a suffix: how many bytes */
    u64 last;
};

/* Bytes of a file, at least one. */
struct tux_slice {
    u64 offset, count;
};

/* Is the value in the strict form? Then *range is set; other values may still be legal. */
bool tux_range_read(const u8 *value, size_t bytes, struct tux_range *range);
/* The bytes of a file of this size that are meant (RFC 9110 section 14.1.2); false when it is none of them. */
bool tux_range_cut(const struct tux_range *range, u64 size, struct tux_slice *slice);

/* Write a number, or "first-last" of a slice; the bytes written, at most as many as the limits above say. */
size_t tux_number_text(u64 number, u8 out[TUX_NUMBER_BYTES_MAX]);
size_t tux_slice_text(const struct tux_slice *slice, u8 out[TUX_SLICE_TEXT_MAX]);

/* Make the key of any range of the key of one: the value at key[at, at + value_bytes) becomes the mark. The new length
 * of the key. */
size_t tux_range_hide(u8 *key, size_t bytes, size_t at, size_t value_bytes);

#endif
