/* base.h: the words every file shares: integer names, status words, the assertion that is always on.
 *
 * Rule of the house: operating errors travel upward as -errno, programmer errors stop the process (TUX_ASSERT).
 * A call that cannot finish at once answers with one of the status words below; they lie far outside -errno, so one
 * int64_t carries a result, an error or a status word, and each means the same thing everywhere. */
#ifndef TUX_BASE_H
#define TUX_BASE_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "base/limits.h"

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t i64;

/* Status words. AGAIN: parked, an event will try the same atom again. COLD: only a worker may go on.
 * ENTER: a nested chain was entered, go on with its first atom. */
#define TUX_AGAIN (INT64_MIN + 1)
#define TUX_COLD (INT64_MIN + 2)
#define TUX_ENTER (INT64_MIN + 3) /* the highest of them */

_Static_assert(sizeof(long) == 8, "system calls are made with one register for 64 bits: a 64-bit machine is needed");

#define TUX_NONE16 0xFFFFu
#define TUX_NONE32 0xFFFFFFFFu

#define TUX_ASSERT(condition)                                                                          \
    do {                                                                                               \
        if (__builtin_expect(!(condition), 0)) tux_assert_failed(#condition, __FILE__, __LINE__);      \
    } while (0)

/* In a function that checks something: give it up with one sentence in its `error` of TUX_ERROR_BYTES. */
#define TUX_REFUSE(...)                                     \
    do {                                                    \
        snprintf(error, TUX_ERROR_BYTES, __VA_ARGS__);      \
        return -EINVAL;                                     \
    } while (0)

#define TUX_COUNT(array) (sizeof(array) / sizeof((array)[0]))

_Noreturn static inline void tux_assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "tuxpy: engine assertion failed: %s (%s:%d). Please report this as a bug.\n", condition, file,
            line);
    abort();
}

static inline u64 tux_min_u64(u64 a, u64 b) { return a < b ? a : b; }

#endif
