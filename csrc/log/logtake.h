/* logtake.h: takes the values that a format names from a head, each bounded, into a record. Pure. */
#ifndef TUX_LOGTAKE_H
#define TUX_LOGTAKE_H

#include "log/fields.h"
#include "log/journal.h"
#include "log/logplan.h"

/* The length of a value in a record. */
#define TUX_LOG_NONE 0xFFFFu   /* the request has none */
#define TUX_LOG_IS_CUT 0x8000u /* ... and had more than these bytes */

/* Values found in a head; pointers into it. */
struct tux_log_found {
    u32 bytes; /* of the record */
    struct text value[TUX_LOG_PLACES_MAX];
    u16 length[TUX_LOG_PLACES_MAX];
    bool user_is_seen;
    struct text version; /* the last word of a request line that is cut, with the blank before it */
    u8 user[TUX_LOG_USER_BYTES];
};

/* At most `most` bytes of each value. head.bytes may be NULL: then nothing is found. */
void tux_log_find(const struct tux_log_plan *plan, struct text head, u32 most, struct tux_log_found *found);
/* Write the record, of found->bytes bytes; the caller sets facts and turn_ns. */
void tux_log_fill(const struct tux_log_plan *plan, const struct tux_log_found *found, struct tux_entry_of_log *record);

/* The value of a place; {NULL, 0} when there is none. */
struct text tux_log_value(const struct tux_log_plan *plan, const struct tux_entry_of_log *record, u32 place, bool *cut);

#endif
