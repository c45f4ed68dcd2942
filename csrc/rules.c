/* rules.c: what a reload changes. All of it is the engine's thread's own, so nothing is seen half changed. */
#include "rules.h"

#include "decide.h"
#include "guard.h"
#include "serve.h"

bool tux_rules_bounds_are_sound(const struct tux_bounds *b)
{
    bool rate = b->interval_ns == 0 || (b->burst > 0 && b->burst <= TUX_BURST_MAX);
    return rate && b->interval_ns <= TUX_INTERVAL_NS_MAX && b->forwarded <= TUX_FORWARDED_RFC7239;
}

struct tux_class *tux_rules_table(const struct tux_class *from, u32 count)
{
    struct tux_class *table = calloc(count + 1u, sizeof *table);
    if (table && count > 0) memcpy(table, from, count * sizeof *table);
    return table;
}

void tux_rules_drop(struct tux_rules_change *change)
{
    if (!change) return;
    free(change->classes);
    free(change->networks);
    free(change);
}

int tux_rules_make(const struct tux_rules *rules, struct tux_rules_change **out)
{
    bool limits = rules->head_ms && rules->idle_ms && rules->send_ms && tux_rules_bounds_are_sound(&rules->bounds);
    bool head = rules->head_bytes_max >= TUX_HEAD_BYTES_LEAST && rules->head_bytes_max <= TUX_HEAD_BYTES_MAX;
    bool classes = rules->class_count <= TUX_CLASSES_MAX && rules->network_count <= TUX_CLASSES_MAX;
    if (!limits || !head || !classes) return -EINVAL;
    struct tux_rules_change *change = calloc(1, sizeof *change);
    if (!change) return -ENOMEM;
    int failed = tux_significant_set(&change->significant, rules->significant, rules->significant_count);
    change->classes = tux_rules_table(rules->classes, rules->class_count);
    change->networks = tux_rules_table(rules->networks, rules->network_count);
    if (!failed && (!change->classes || !change->networks)) failed = -ENOMEM;
    if (failed) {
        tux_rules_drop(change);
        return failed;
    }
    change->number = rules->number;
    change->class_count = rules->class_count;
    change->network_count = rules->network_count;
    change->bounds = rules->bounds;
    change->head_bytes_max = rules->head_bytes_max;
    change->head_ms = rules->head_ms;
    change->idle_ms = rules->idle_ms;
    change->send_ms = rules->send_ms;
    change->look_ms = rules->look_ms;
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

static void exchange(struct tux_class **table, u32 *count, struct tux_class **other, u32 other_count)
{
    struct tux_class *before = *table;
    *table = *other;
    *other = before;
    *count = other_count;
}

void tux_rules_apply(struct tux_engine *e, struct tux_rules_change *change)
{
    tux_serve_answers(e); /* what was judged before belongs to the older set */
    exchange(&e->classes, &e->options.class_count, &change->classes, change->class_count);
    exchange(&e->networks, &e->options.network_count, &change->networks, change->network_count);
    e->options.bounds = change->bounds;
    e->options.head_bytes_max = change->head_bytes_max;
    e->significant = change->significant;
    e->options.head_ms = change->head_ms;
    e->options.idle_ms = change->idle_ms;
    e->options.send_ms = change->send_ms;
    e->options.look_ms = change->look_ms;
    e->rules_number = change->number;
    e->rules_unsettled = e->checks_begun;
    tux_decisions_forget(&e->decisions);
    tux_decide_release_joined(e, TUX_NONE32);
    for (u32 slot = 0; slot < e->options.slots; slot++) {
        struct tux_conn *conn = &e->conns[slot];
        if (!e->runs[slot].frame.chain || conn->fd < 0) continue;
        tux_guard_meet(e, conn);
        (void)tux_guard_classify(e, conn);
        tux_guard_count_again(e, conn);
        tux_conn_forget_repeat(conn, &e->metrics);
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
