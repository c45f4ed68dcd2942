/* logline.h: a record of the journal as a line of the log. Pure: record and format in, bytes out. */
#ifndef TUX_LOGLINE_H
#define TUX_LOGLINE_H

#include "log/logtake.h"

/* The time of day as it was last written: many lines have the same second. */
struct tux_log_clock {
    i64 seconds;
    u32 length; /* 0: nothing was written yet */
    u8 op;      /* its form: the op of the step */
    char text[32];
};

/* The line with its LF. `room`: plan->line_max bytes at least. Every step of the format is written, whatever the record
 * holds: a value that is too long is cut and marked. */
size_t tux_log_line(const struct tux_log_plan *plan, struct tux_log_clock *clock, const struct tux_entry_of_log *record,
                    u8 *out, size_t room);

#endif
