/* clock.h: time, read once in each turn of a loop. */
#ifndef TUX_CLOCK_H
#define TUX_CLOCK_H

#include <time.h>

#include "base/base.h"

static inline u64 tux_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (u64)t.tv_sec * 1000u + (u64)t.tv_nsec / 1000000u;
}

static inline u64 tux_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec;
}

static inline i64 tux_wall_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME_COARSE, &t);
    return (i64)t.tv_sec;
}

#define TUX_DATE_BYTES 29

/* IMF-fixdate of RFC 9110 section 5.6.7: "Sun, 06 Nov 1994 08:49:37 GMT". Not strftime, which follows the locale. */
static inline void tux_date(i64 wall_s, char out[TUX_DATE_BYTES + 1])
{
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = (time_t)wall_s;
    struct tm t;
    gmtime_r(&seconds, &t);
    char text[64];
    snprintf(text, sizeof text, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[t.tm_wday], t.tm_mday, months[t.tm_mon],
             t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
    memcpy(out, text, TUX_DATE_BYTES);
    out[TUX_DATE_BYTES] = 0;
}

#endif
