/* rules.c: what a reload changes. Only the engine's thread uses it, so no request sees half a change. */
#include "http/rules.h"

#include "http/decide.h"
#include "http/epoch.h"
#include "http/guard.h"

static bool bounds_are_sound(const struct tux_bounds *b)
{
    bool rate = b->interval_ns == 0 || (b->burst > 0 && b->burst <= TUX_BURST_MAX);
    return rate && b->interval_ns <= TUX_INTERVAL_NS_MAX && b->forwarded <= TUX_FORWARDED_RFC7239;
}

const char *tux_rules_fault(const struct tux_rules *rules)
{
    if (rules->head_bytes_max < TUX_HEAD_BYTES_LEAST || rules->head_bytes_max > TUX_HEAD_BYTES_MAX)
        return "head_bytes_max";
    if (!rules->head_ms || !rules->idle_ms || !rules->send_ms) return "head_ms, idle_ms, send_ms";
    if (rules->class_count > TUX_CLASSES_MAX || rules->network_count > TUX_CLASSES_MAX) return "class_count";
    return bounds_are_sound(&rules->bounds) ? NULL : "bounds";
}

void tux_rules_drop(struct tux_rules_change *change)
{
    if (!change) return;
    free(change->tables);
    free(change);
}

/* Both tables into memory of the change's own. */
static int copy_tables(struct tux_rules_change *change, const struct tux_rules *from)
{
    struct tux_class *classes = calloc((size_t)from->class_count + from->network_count + 1, sizeof *classes);
    if (!classes) return -ENOMEM;
    struct tux_class *networks = classes + from->class_count;
    if (from->class_count > 0) memcpy(classes, from->classes, from->class_count * sizeof *classes);
    if (from->network_count > 0) memcpy(networks, from->networks, from->network_count * sizeof *networks);
    change->tables = classes;
    change->rules.classes = classes;
    change->rules.networks = networks;
    return 0;
}

int tux_rules_make(const struct tux_rules *rules, struct tux_rules_change **out)
{
    if (tux_rules_fault(rules)) return -EINVAL;
    struct tux_rules_change *change = calloc(1, sizeof *change);
    if (!change) return -ENOMEM;
    change->rules = *rules;
    change->rules.significant = NULL;
    int failed = tux_significant_set(&change->significant, rules->significant, rules->significant_count);
    if (!failed) failed = copy_tables(change, rules);
    if (failed) {
        tux_rules_drop(change);
        return failed;
    }
    *out = change;
    return 0;
}

void tux_rules_apply(struct tux_engine *e, struct tux_rules_change *change)
{
    tux_decide_answers(e); /* what was judged before belongs to the older set */
    struct tux_class *before = e->http->tables;
    e->http->rules = change->rules;
    e->http->significant = change->significant;
    e->http->tables = change->tables;
    change->tables = before;
    u32 asked = 0;
    tux_decisions_forget(&e->http->decisions);
    tux_decide_release_joined(e, TUX_NONE32);
    for (u32 slot = 0; slot < e->options.slots; slot++) {
        struct tux_conn *conn = &e->http->conns[slot];
        if (!e->runs[slot].frame.chain || conn->fd < 0) continue;
        tux_guard_meet(e, conn);
        (void)tux_guard_classify(e, conn);
        tux_guard_count_again(e, conn);
        tux_conn_forget_repeat(conn, &e->metrics);
        asked += e->http->requests[slot].asked;
    }
    tux_epoch_begins(e, asked);
}
