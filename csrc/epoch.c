/* epoch.c: counts what began under earlier rules; cached decisions are forgotten together with theirs. */
#include "epoch.h"

static void settle(struct tux_engine *e)
{
    if (e->rules_unsettled > 0 || atomic_load(&e->rules_settled) == e->rules.number) return;
    atomic_store(&e->rules_settled, e->rules.number);
    e->notify = true;
}

void tux_epoch_begins(struct tux_engine *e, u32 asked)
{
    e->rules_unsettled = e->checks_begun + asked;
    settle(e);
}

static void ended(struct tux_engine *e, u32 number)
{
    if (number == e->rules.number) return;
    TUX_ASSERT(e->rules_unsettled > 0);
    e->rules_unsettled--;
    settle(e);
}

void tux_epoch_answered(struct tux_engine *e, const struct tux_request *request) { ended(e, request->asked_rules); }

void tux_epoch_check_begins(struct tux_engine *e, struct tux_response *r)
{
    r->check_rules = e->rules.number;
    e->checks_begun++;
}

void tux_epoch_check_ends(struct tux_engine *e, const struct tux_response *r)
{
    e->checks_begun--;
    ended(e, r->check_rules);
}
