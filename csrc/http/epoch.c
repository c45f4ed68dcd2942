/* epoch.c: counts what began under earlier rules; cached decisions are forgotten together with theirs. */
#include "http/epoch.h"

static void settle(struct tux_engine *e)
{
    if (e->http->rules_unsettled > 0 || atomic_load(&e->http->rules_settled) == e->http->rules.number) return;
    atomic_store(&e->http->rules_settled, e->http->rules.number);
    e->notify = true;
}

void tux_epoch_begins(struct tux_engine *e, u32 asked)
{
    e->http->rules_unsettled = e->http->checks_begun + asked;
    settle(e);
}

static void ended(struct tux_engine *e, u32 number)
{
    if (number == e->http->rules.number) return;
    TUX_ASSERT(e->http->rules_unsettled > 0);
    e->http->rules_unsettled--;
    settle(e);
}

void tux_epoch_answered(struct tux_engine *e, const struct tux_request *request) { ended(e, request->asked_rules); }

void tux_epoch_check_begins(struct tux_engine *e, struct tux_response *r)
{
    r->check_rules = e->http->rules.number;
    e->http->checks_begun++;
}

void tux_epoch_check_ends(struct tux_engine *e, const struct tux_response *r)
{
    e->http->checks_begun--;
    ended(e, r->check_rules);
}
