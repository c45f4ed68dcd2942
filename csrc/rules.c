/* rules.c: what a reload changes. All of it is the engine's thread's own, so nothing is seen half changed. */
#include "rules.h"

#include "accept.h"
#include "decide.h"
#include "serve.h"

int tux_rules_make(const struct tux_rules *rules, struct tux_rules_change **out)
{
    bool limits = rules->head_ms && rules->idle_ms && rules->send_ms;
    if (rules->class_count > TUX_CLASSES_MAX || !limits) return -EINVAL;
    struct tux_rules_change *change = calloc(1, sizeof *change + rules->class_count * sizeof change->classes[0]);
    if (!change) return -ENOMEM;
    int failed = tux_significant_set(&change->significant, rules->significant, rules->significant_count);
    if (failed) {
        free(change);
        return failed;
    }
    change->number = rules->number;
    change->class_count = rules->class_count;
    change->head_ms = rules->head_ms;
    change->idle_ms = rules->idle_ms;
    change->send_ms = rules->send_ms;
    if (rules->class_count > 0)
        memcpy(change->classes, rules->classes, rules->class_count * sizeof change->classes[0]);
    *out = change;
    return 0;
}

/* Nothing refers to an older set: no question, no check on a worker. Decisions were forgotten at once. */
static void settle(struct tux_engine *e)
{
    if (e->rules_unsettled > 0) return;
    atomic_store(&e->rules_settled, e->rules_number);
    e->notify = true;
}

void tux_rules_apply(struct tux_engine *e, const struct tux_rules_change *change)
{
    tux_serve_answers(e); /* what was judged before belongs to the older set */
    struct tux_class *classes = NULL;
    if (change->class_count > 0) {
        classes = malloc(change->class_count * sizeof *classes);
        TUX_ASSERT(classes != NULL); /* half a change would open gates */
        memcpy(classes, change->classes, change->class_count * sizeof *classes);
    }
    free(e->classes);
    e->classes = classes;
    e->options.class_count = change->class_count;
    e->significant = change->significant;
    e->options.head_ms = change->head_ms;
    e->options.idle_ms = change->idle_ms;
    e->options.send_ms = change->send_ms;
    e->rules_number = change->number;
    e->rules_unsettled = e->checks_begun;
    tux_decisions_forget(&e->decisions);
    tux_decide_release_joined(e, TUX_NONE32);
    for (u32 slot = 0; slot < e->options.slots; slot++) {
        struct tux_conn *conn = &e->conns[slot];
        if (!e->runs[slot].frame.chain || conn->listener < 0) continue;
        conn->class_number = tux_accept_class(e, conn);
        e->rules_unsettled += conn->asked;
    }
    settle(e);
}

void tux_rules_check_begins(struct tux_engine *e, struct tux_response *r)
{
    r->check_rules = e->rules_number;
    e->checks_begun++;
}

static void one_less(struct tux_engine *e, u32 number)
{
    if (number == e->rules_number) return;
    TUX_ASSERT(e->rules_unsettled > 0);
    e->rules_unsettled--;
    settle(e);
}

void tux_rules_check_ends(struct tux_engine *e, const struct tux_response *r)
{
    e->checks_begun--;
    one_less(e, r->check_rules);
}

void tux_rules_answered(struct tux_engine *e, const struct tux_conn *conn) { one_less(e, conn->asked_rules); }
