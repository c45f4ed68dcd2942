/* logplan.c: everything about a format that can be computed before the first request. */
#include "log/logplan.h"

#include "log/journal.h"

static const u8 authorization[] = "authorization";

/* The place of a field in the records; a repeated name has one. TUX_LOG_PLACES_MAX: none is left. */
static u32 place_of(struct tux_log_plan *plan, const u8 *name, u16 length)
{
    for (u32 i = 0; i < plan->fields; i++)
        if (plan->field[i].length == length && memcmp(plan->field[i].name, name, length) == 0)
            return TUX_LOG_PLACE_FIELDS + i;
    if (plan->fields == TUX_LOG_FIELDS_MAX) return TUX_LOG_PLACES_MAX;
    plan->field[plan->fields] = (struct tux_log_field){name, length};
    plan->initials |= tux_log_initial(length ? name[0] : 0);
    return TUX_LOG_PLACE_FIELDS + plan->fields++;
}

static int add(struct tux_log_plan *plan, struct tux_log_step step)
{
    u32 place = 0;
    switch (step.op) {
    case TUX_LOG_FIELD: place = place_of(plan, step.text, step.length); break;
    case TUX_LOG_LINE: case TUX_LOG_METHOD: case TUX_LOG_TARGET: case TUX_LOG_VERSION: plan->line = true; break;
    case TUX_LOG_USER:
        plan->user = true;
        place = TUX_LOG_PLACE_USER;
        plan->initials |= tux_log_initial(authorization[0]);
        break;
    case TUX_LOG_CLIENT: plan->client = true; break;
    default: break;
    }
    if (place == TUX_LOG_PLACES_MAX || plan->steps == TUX_COUNT(plan->step)) return -EINVAL;
    step.place = (u8)place;
    plan->step[plan->steps++] = step;
    /* a value, its quotes and mark, and a last word of six bytes for each of its own */
    plan->line_max += step.op == TUX_LOG_TEXT ? step.length : TUX_LOG_VALUE_BYTES + 6 * TUX_LOG_VERSION_BYTES + 16;
    return 0;
}

int tux_log_plan_make(struct tux_log_plan *plan, const u8 *program, size_t bytes)
{
    memset(plan, 0, offsetof(struct tux_log_plan, step));
    if (bytes > sizeof plan->program) return -EINVAL;
    if (bytes > 0) memcpy(plan->program, program, bytes);
    plan->line_max = 1; /* its LF */
    for (size_t at = 0; at < bytes;) {
        const u8 *step = plan->program + at;
        if (bytes - at < 4 || step[0] >= TUX_LOG_OPS || step[1] >= TUX_LOG_ESCAPES) return -EINVAL;
        u16 length = (u16)(step[2] | step[3] << 8);
        if (bytes - at - 4 < length) return -EINVAL;
        int failed = add(plan, (struct tux_log_step){step[0], step[1], 0, length, step + 4});
        if (failed) return failed;
        at += 4u + length;
    }
    u32 most = (u32)sizeof(struct tux_entry_of_log) + tux_log_places(plan) * 2;
    most += (1 + plan->fields) * TUX_LOG_VALUE_BYTES + TUX_LOG_USER_BYTES;
    plan->record_max = (most + 7) & ~7u;
    return 0;
}
