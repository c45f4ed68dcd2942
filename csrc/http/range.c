/* range.c: the only value of a field that C interprets, and only in one form, which is unambiguous. */
#include "http/range.h"

static const char unit[] = "bytes="; /* in lower case, as clients write it; names of units have no case */
enum { UNIT_BYTES = sizeof unit - 1 };

/* The number at the front of text[0, bytes); how many digits it has, 0 also when it has too many. */
static size_t read_number(const u8 *text, size_t bytes, u64 *number)
{
    size_t digits = 0;
    u64 n = 0;
    for (; digits < bytes && text[digits] >= '0' && text[digits] <= '9'; digits++) {
        if (digits == TUX_RANGE_DIGITS_MAX) return 0;
        n = n * 10 + (u64)(text[digits] - '0');
    }
    *number = n;
    return digits;
}

bool tux_range_read(const u8 *value, size_t bytes, struct tux_range *range)
{
    if (bytes < UNIT_BYTES || memcmp(value, unit, UNIT_BYTES) != 0) return false;
    const u8 *at = value + UNIT_BYTES, *end = value + bytes;
    *range = (struct tux_range){.form = TUX_RANGE_SUFFIX};
    if (at < end && *at == '-') {
        at++;
        size_t digits = read_number(at, (size_t)(end - at), &range->first);
        return digits > 0 && at + digits == end;
    }
    size_t digits = read_number(at, (size_t)(end - at), &range->first);
    at += digits;
    if (digits == 0 || at == end || *at++ != '-') return false;
    range->form = TUX_RANGE_OPEN;
    if (at == end) return true;
    range->form = TUX_RANGE_CLOSED;
    digits = read_number(at, (size_t)(end - at), &range->last);
    return digits > 0 && at + digits == end;
}

bool tux_range_cut(const struct tux_range *range, u64 size, struct tux_slice *slice)
{
    u64 first = range->first, last = size - 1; /* not used for an empty file */
    switch (range->form) {
    case TUX_RANGE_SUFFIX:
        if (first == 0 || size == 0) return false;
        first = first < size ? size - first : 0;
        break;
    case TUX_RANGE_CLOSED:
        if (range->last < first) return false;
        last = tux_min_u64(range->last, last);
        break;
    default: break;
    }
    if (first >= size) return false;
    *slice = (struct tux_slice){.offset = first, .count = last - first + 1};
    return true;
}

size_t tux_number_text(u64 number, u8 out[TUX_NUMBER_BYTES_MAX])
{
    u8 backwards[TUX_NUMBER_BYTES_MAX];
    size_t digits = 0;
    do backwards[digits++] = (u8)('0' + number % 10);
    while ((number /= 10) > 0);
    for (size_t i = 0; i < digits; i++) out[i] = backwards[digits - 1 - i];
    return digits;
}

size_t tux_slice_text(const struct tux_slice *slice, u8 out[TUX_SLICE_TEXT_MAX])
{
    size_t used = tux_number_text(slice->offset, out);
    out[used++] = '-';
    return used + tux_number_text(slice->offset + slice->count - 1, out + used);
}

size_t tux_range_hide(u8 *key, size_t bytes, size_t at, size_t value_bytes)
{
    TUX_ASSERT(value_bytes > 0 && at + value_bytes <= bytes);
    key[at] = TUX_ANY_RANGE;
    memmove(key + at + 1, key + at + value_bytes, bytes - at - value_bytes);
    return bytes - value_bytes + 1;
}
