/* floor 2 · logline.h: a record of the journal as a line of the log. Pure: record and format in, bytes out.
 *
 * A format is a program that Python has compiled: one byte what to do, one byte how to escape, two bytes length (little
 * endian), then so many bytes: what to write as it is, or the lower-case name of a field of the request. */
#ifndef TUX_LOGLINE_H
#define TUX_LOGLINE_H

#include "journal.h"

enum tux_log_op {
    TUX_LOG_TEXT,     /* the bytes that follow */
    TUX_LOG_FIELD,    /* a field of the request; "-" when it has none, null in JSON */
    TUX_LOG_CLIENT,   /* the client's address: as trusted proxies tell it, else the connection's */
    TUX_LOG_PEER,     /* the connection's address */
    TUX_LOG_PORT,     /* the connection's port */
    TUX_LOG_TIME,     /* 25/Nov/2026:18:06:11 +0000 */
    TUX_LOG_CLOCK,    /* 18:06:11 */
    TUX_LOG_ISO_TIME, /* 2026-11-25T18:06:11.123Z */
    TUX_LOG_UNIX_TIME,/* seconds with three digits behind the point */
    TUX_LOG_LINE,     /* the request line */
    TUX_LOG_METHOD,
    TUX_LOG_TARGET,
    TUX_LOG_VERSION,  /* HTTP/1.1 */
    TUX_LOG_STATUS,
    TUX_LOG_BYTES,    /* of the body, "-" for none */
    TUX_LOG_COUNT,    /* of the body, 0 for none */
    TUX_LOG_MS,       /* duration in milliseconds */
    TUX_LOG_SOURCE,   /* repeat, kept, judged or limit */
    TUX_LOG_USER,     /* of Basic authentication */
    TUX_LOG_COLOUR,   /* the escape sequence for the status: to be ended by TUX_LOG_TEXT */
    TUX_LOG_OPS
};

enum tux_log_escape { TUX_LOG_PLAIN, TUX_LOG_QUOTED, TUX_LOG_JSON }; /* as Apache quotes; a whole JSON value */

enum tux_log_source { TUX_SOURCE_REPEAT, TUX_SOURCE_KEPT, TUX_SOURCE_JUDGED, TUX_SOURCE_LIMIT };

/* The time of day as it was written last: many lines are of the same second. */
struct tux_log_clock {
    i64 seconds;
    u32 length; /* 0: nothing was written yet */
    char text[32];
};

struct tux_log_format {
    const u8 *program;
    size_t bytes;
    const struct tux_class *networks; /* of which TUX_NETWORK_TRUSTED are proxies whose word counts */
    u32 network_count;
    u32 forwarded; /* enum tux_forwarded: where they give it */
    struct tux_log_clock *clock; /* the caller's, one for each thread */
};

/* 0, or -EINVAL when the program is none. */
int tux_log_check(const u8 *program, size_t bytes);
/* The line with its LF; at most `room` bytes, what is longer is cut and still ends in LF. */
size_t tux_log_line(const struct tux_log_format *format, const struct tux_entry_of_log *record, u8 *out, size_t room);
#endif
