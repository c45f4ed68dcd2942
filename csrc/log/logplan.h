/* logplan.h: a format of the access log, compiled: its steps, and the values of a request that they need.
 * Pure.
 *
 * A format is a program that Python has compiled: one byte what to do, one byte how to escape, two bytes length (little
 * endian), then as many bytes: a text to write, or the lower-case name of a field of the request. */
#ifndef TUX_LOGPLAN_H
#define TUX_LOGPLAN_H

#include "base/base.h"

enum tux_log_op {
    TUX_LOG_TEXT,     /* the bytes that follow */
    TUX_LOG_FIELD,    /* a field of the request; "-" when it has none, null in JSON */
    TUX_LOG_CLIENT,   /* the client's address: from trusted proxies, else the connection's */
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
    TUX_LOG_COLOUR,   /* the escape sequence for the status; a TUX_LOG_TEXT ends it */
    TUX_LOG_OPS
};

/* PLAIN: one word, without blanks. QUOTED: between double quotes, as Apache escapes. JSON: a whole value of it.
 * INNER: the text between the quotes of a JSON string. */
enum tux_log_escape { TUX_LOG_PLAIN, TUX_LOG_QUOTED, TUX_LOG_JSON, TUX_LOG_INNER, TUX_LOG_ESCAPES };

enum tux_log_source { TUX_SOURCE_REPEAT, TUX_SOURCE_KEPT, TUX_SOURCE_JUDGED, TUX_SOURCE_LIMIT };

/* The values that a record holds: the request line, the user, then each field that is named. */
enum { TUX_LOG_PLACE_LINE, TUX_LOG_PLACE_USER, TUX_LOG_PLACE_FIELDS };
#define TUX_LOG_PLACES_MAX (TUX_LOG_PLACE_FIELDS + TUX_LOG_FIELDS_MAX)

struct tux_log_step {
    u8 op, escape;
    u8 place; /* of the value that it writes, if the record holds it */
    u16 length;
    const u8 *text;
};

struct tux_log_field {
    const u8 *name;
    u16 length;
};

struct tux_log_plan {
    u32 steps, fields;
    bool line, user, client; /* whether the format needs them */
    u32 initials; /* a bit for each first letter of a wanted field, including the user's */
    u32 line_max, record_max; /* bytes */
    struct tux_log_step step[2 * TUX_LOG_VALUES_MAX + 1];
    struct tux_log_field field[TUX_LOG_FIELDS_MAX];
    u8 program[TUX_LOG_PROGRAM_MAX];
};

/* 0, or -EINVAL if the program is not valid, or names too many values. */
int tux_log_plan_make(struct tux_log_plan *plan, const u8 *program, size_t bytes);

static inline u32 tux_log_places(const struct tux_log_plan *plan) { return TUX_LOG_PLACE_FIELDS + plan->fields; }

static inline u32 tux_log_initial(u8 letter) { return 1u << (letter & 31); }

#endif
