/* floor 5 · rules.h: what may change while an engine runs: the fields of the key, the classes of client addresses, the
 * limits. They change together, at one point in time, and with them every decision is forgotten.
 *
 * Each set has a number. A question that was asked under an older one is answered, but the answer is not kept; and
 * the engine says from when on nothing refers to an older set any more, so that the roots of its decisions can be
 * closed. */
#ifndef TUX_RULES_H
#define TUX_RULES_H

#include "engine.h"

struct tux_rules_change {
    u32 number, class_count, network_count;
    u32 head_bytes_max, head_ms, idle_ms, send_ms, look_ms;
    struct tux_bounds bounds;
    struct tux_significant significant;
    struct tux_class *classes, *networks; /* the change's own, until it is applied: then those from before */
};

bool tux_rules_bounds_are_sound(const struct tux_bounds *bounds);
/* Any thread: a change from the caller's parts. -errno when they cannot be. */
int tux_rules_make(const struct tux_rules *rules, struct tux_rules_change **out);
/* NULL is nothing. */
void tux_rules_drop(struct tux_rules_change *change);
/* A table of its own. NULL when there is no memory. */
struct tux_class *tux_rules_table(const struct tux_class *from, u32 count);

/* The engine's thread only, from here on. */
void tux_rules_apply(struct tux_engine *e, struct tux_rules_change *change);
/* A check behind the scenes begins, and ends; a question is answered. */
void tux_rules_check_begins(struct tux_engine *e, struct tux_response *r);
void tux_rules_check_ends(struct tux_engine *e, const struct tux_response *r);
void tux_rules_answered(struct tux_engine *e, const struct tux_conn *conn);

#endif
