/* rules.h: what may change while an engine runs: the fields of the key, the classes of client addresses, the
 * limits. They change together, at one point in time, and with them every decision is forgotten.
 *
 * Each set has a number. A question that was asked under an older one is answered, but the answer is not kept; see
 * epoch.h. */
#ifndef TUX_RULES_H
#define TUX_RULES_H

#include "http/http.h"

struct tux_rules_change {
    struct tux_rules rules; /* its tables lie in `tables`; the names of significant fields are in `significant` alone */
    struct tux_significant significant;
    struct tux_class *tables; /* the change's own; once it is applied, those of the rules before */
};

/* The name of a member that is out of range; NULL when there is none. */
const char *tux_rules_fault(const struct tux_rules *rules);
/* Any thread: a change with its own copy of everything that the rules refer to. -EINVAL, -ENOMEM. */
int tux_rules_make(const struct tux_rules *rules, struct tux_rules_change **out);
/* NULL is nothing. */
void tux_rules_drop(struct tux_rules_change *change);

/* The engine's thread only; the first rules are applied before that thread starts. */
void tux_rules_apply(struct tux_engine *e, struct tux_rules_change *change);

#endif
