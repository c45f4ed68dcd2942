/* api.c: the doors of api.h: check the arguments, then one call down. */
#include <sys/prctl.h>
#include <unistd.h>

#include "engine/control.h"
#include "base/clock.h"
#include "engine/exec.h"
#include "http/http.h"
#include "http/open.h"

#ifndef TUX_VERSION
#define TUX_VERSION "unknown"
#endif

const char *tux_version(void) { return TUX_VERSION; }

/* --- chains --------------------------------------------------------------------------------------------------- */

int tux_chain_open(const uint8_t *bytes, size_t length, int http, struct tux_chain **out, char *error)
{
    bool allowed[TUX_CALLS_MAX];
    for (unsigned i = 0; i < TUX_CALLS_MAX; i++) allowed[i] = http || tux_plain_calls[i] != NULL;
    return tux_chain_load(bytes, length, allowed, out, error);
}

void tux_chain_close(struct tux_chain *chain) { tux_chain_free(chain); }

void tux_chain_forked(struct tux_chain *chain) { tux_chain_forget(chain); }

static int give_params(struct tux_frame *frame, const struct tux_param *params, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        int failed = tux_frame_param(frame, params[i].cell, params[i].value);
        if (failed) return failed;
    }
    return 0;
}

int tux_run_inline(struct tux_chain *chain, const struct tux_param *params, uint32_t param_count, uint16_t keep_cell,
                   int64_t *shared, int64_t *cells_out, uint8_t *buffers_out, struct tux_completion *out)
{
    for (unsigned i = 0; i < chain->atoms; i++)
        if (tux_plain_calls[chain->atom[i].call] == NULL) return -EINVAL;
    if (keep_cell != TUX_NONE16 && (keep_cell >= chain->cells || chain->cell[keep_cell].kind != TUX_FD)) return -EINVAL;
    i64 cells[TUX_CELLS_MAX];
    _Atomic i64 numbers[TUX_SHARED_MAX];
    u8 *buffers = chain->buffer_bytes ? calloc(1, chain->buffer_bytes) : NULL;
    if (chain->buffer_bytes && !buffers) return -ENOMEM;
    for (unsigned i = 0; i < TUX_SHARED_MAX; i++) atomic_init(&numbers[i], shared ? shared[i] : 0);
    struct tux_stage stage = {.place = TUX_INLINE, .perform = tux_plain_calls, .shared = numbers};
    struct tux_run run = {.slot = 0};
    tux_frame_start(&run.frame, chain, cells, chain->data, buffers);
    int failed = give_params(&run.frame, params, param_count);
    if (!failed) {
        u16 reason = TUX_REASON_END;
        i64 result = 0;
        while (tux_step(&stage, &run, &reason, &result) != TUX_ENDED) continue; /* the slice is for engines */
        *out = (struct tux_completion){.result = result,
                                       .steps = run.steps,
                                       .last_atom = run.last_atom,
                                       .reason = reason,
                                       .stop_flags = run.stop_flags};
        for (unsigned i = 0; shared && i < TUX_SHARED_MAX; i++) shared[i] = atomic_load(&numbers[i]);
        if (cells_out) memcpy(cells_out, cells, chain->cells * sizeof(i64));
        if (buffers_out && buffers) memcpy(buffers_out, buffers, chain->buffer_bytes);
        if (keep_cell != TUX_NONE16) cells[keep_cell] = -1; /* the caller's now */
    }
    tux_frame_close(&run.frame);
    free(buffers);
    return failed;
}

uint32_t tux_chain_buffer_bytes(const struct tux_chain *chain) { return chain->buffer_bytes; }

/* --- engines -------------------------------------------------------------------------------------------------- */

int tux_engine_open(const struct tux_options *options, struct tux_engine **out, char *why)
{
    return tux_open(options, out, why);
}

const char *tux_engine_backend(struct tux_engine *e) { return e->backend->ops->name; }

void tux_engine_close(struct tux_engine *e) { tux_close(e); }

int tux_engine_submit(struct tux_engine *e, struct tux_chain *chain, const struct tux_param *params,
                      uint32_t param_count, uint64_t cookie, uint32_t copies, uint32_t deadline_ms)
{
    if (param_count > TUX_CELLS_MAX || copies == 0) return -EINVAL;
    for (uint32_t i = 0; i < param_count; i++)
        if (params[i].cell >= chain->cells || !(chain->cell[params[i].cell].mode & TUX_CELL_PARAM) ||
            (chain->cell[params[i].cell].kind == TUX_FD && copies > 1)) /* one descriptor has one owner */
            return -EINVAL;
    for (unsigned i = 0; i < chain->atoms; i++)
        if (!e->calls[chain->atom[i].call]) return -EINVAL; /* it is not of this engine's protocol */
    struct tux_command *command = tux_control_new(e, TUX_COMMAND_SUBMIT);
    if (!command) return -ENOMEM;
    command->copies = copies;
    for (uint32_t n = 0; n < copies; n++) {
        struct tux_record *record = tux_record_open(chain, false);
        if (!record) {
            tux_control_free(e, command);
            return -ENOMEM;
        }
        for (uint32_t i = 0; i < param_count; i++) record->cells[params[i].cell] = params[i].value;
        record->cookie = cookie;
        record->deadline_ms = deadline_ms ? tux_now_ms() + deadline_ms : 0;
        record->next = command->records;
        command->records = record;
    }
    if (tux_completions_promise(&e->completions, copies) != 0) {
        atomic_fetch_add(&e->metrics.refused, copies);
        tux_control_free(e, command);
        return -ENOBUFS;
    }
    tux_control_post(e, command);
    return 0;
}

int tux_engine_cancel(struct tux_engine *e, uint64_t cookie)
{
    struct tux_command *command = tux_control_new(e, TUX_COMMAND_CANCEL);
    if (!command) return -ENOMEM;
    command->cookie = cookie;
    tux_control_post(e, command);
    return 0;
}

/* A command of numbers alone. */
static int post(struct tux_engine *e, struct tux_command said)
{
    struct tux_command *command = tux_control_new(e, said.kind);
    if (!command) return -ENOMEM;
    *command = said;
    tux_control_post(e, command);
    return 0;
}

int tux_engine_drain(struct tux_engine *e, uint64_t line, int shut, uint32_t idle_ms)
{
    return post(e, (struct tux_command){
                       .kind = TUX_COMMAND_DRAIN, .cookie = line, .shut = shut != 0, .deadline_ms = idle_ms});
}

int tux_engine_shed(struct tux_engine *e, uint64_t line, uint32_t count, uint32_t idle_ms)
{
    return post(e, (struct tux_command){
                       .kind = TUX_COMMAND_SHED, .cookie = line, .copies = count, .deadline_ms = idle_ms});
}

int tux_engine_share(struct tux_engine *e, uint32_t index, int64_t value)
{
    if (index >= TUX_SHARED_MAX) return -EINVAL;
    return post(e, (struct tux_command){.kind = TUX_COMMAND_SHARE, .copies = index, .cookie = (u64)value});
}

void tux_engine_hold(struct tux_engine *e) { tux_control_hold(e); }

void tux_engines_release(struct tux_engine **engines, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) tux_control_release(engines[i]);
}

void tux_engine_drop(struct tux_engine *e) { tux_control_drop(e); }

int tux_engine_completions(struct tux_engine *e, struct tux_completion *out, uint32_t max)
{
    return (int)tux_completions_take(&e->completions, out, max);
}

int tux_engine_exec(struct tux_engine *e, const struct tux_submission *submission, struct tux_completion *out)
{
    return tux_exec(e, submission, out);
}

const int64_t *tux_record_cells(const struct tux_record *record) { return record->cells; }
const uint8_t *tux_record_buffers(const struct tux_record *record) { return record->buffers; }

uint32_t tux_record_trace(const struct tux_record *record, const struct tux_traced **out)
{
    *out = record->trace;
    return record->traced;
}

int tux_record_take(struct tux_record *record)
{
    if (record->keep_cell == TUX_NONE16) return -1;
    int fd = (int)record->cells[record->keep_cell];
    record->cells[record->keep_cell] = -1;
    return fd;
}

void tux_record_close(struct tux_record *record) { tux_record_free(record); }

void tux_engine_knock(struct tux_engine *e) { tux_control_knock(e); }

int64_t tux_engine_shared_get(struct tux_engine *e, uint32_t index)
{
    return index < TUX_SHARED_MAX ? atomic_load(&e->shared[index]) : 0;
}

void tux_engine_shared_set(struct tux_engine *e, uint32_t index, int64_t value)
{
    if (index < TUX_SHARED_MAX) atomic_store(&e->shared[index], value);
}

int tux_no_new_privileges(void) { return prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) < 0 ? -errno : 0; }

/* --- looking in ------------------------------------------------------------------------------------------------ */

int tux_engine_trace(struct tux_engine *e)
{
    if (!e->stage.trace) e->stage.trace = calloc(TUX_TRACE_MAX, sizeof *e->stage.trace);
    return e->stage.trace ? 0 : -ENOMEM;
}

uint32_t tux_engine_trace_take(struct tux_engine *e, struct tux_trace_entry *out, uint32_t max)
{
    u64 head = atomic_load_explicit(&e->trace_head, memory_order_acquire);
    u64 from = head - e->trace_taken > TUX_TRACE_MAX ? head - TUX_TRACE_MAX : e->trace_taken;
    uint32_t count = 0;
    while (e->stage.trace && from < head && count < max) out[count++] = e->stage.trace[from++ % TUX_TRACE_MAX];
    e->trace_taken = from;
    return count;
}

struct metric_rule {
    const char *name, *help;
    char kind;
    u32 values; /* 0: one, without a number */
    size_t offset;
};

#define KIND(letter) KIND_##letter
enum { KIND_c = 'c', KIND_g = 'g' };
static const struct metric_rule metrics[] = {
#define METRIC(name, kind, help) {#name, help, KIND(kind), 0, offsetof(struct tux_metrics, name)},
#define METRICS(name, count, kind, help) {#name, help, KIND(kind), count, offsetof(struct tux_metrics, name)},
#include "base/metrics.def"
#undef METRIC
#undef METRICS
};

static u32 values_of(const struct metric_rule *rule) { return rule->values ? rule->values : 1; }

/* The rule of a value, and which of its values it is; NULL when there is no such value. */
static const struct metric_rule *rule_of(u32 index, u32 *place)
{
    for (unsigned i = 0; i < TUX_COUNT(metrics); i++) {
        *place = index;
        if (index < values_of(&metrics[i])) return &metrics[i];
        index -= values_of(&metrics[i]);
    }
    return NULL;
}

uint32_t tux_metric_count(void)
{
    u32 count = 0;
    for (unsigned i = 0; i < TUX_COUNT(metrics); i++) count += values_of(&metrics[i]);
    return count;
}

const char *tux_metric_name(uint32_t index)
{
    const struct metric_rule *rule = rule_of(index, &index);
    return rule ? rule->name : NULL;
}

int tux_metric_place(uint32_t index)
{
    const struct metric_rule *rule = rule_of(index, &index);
    return rule && rule->values ? (int)index : -1;
}

const char *tux_metric_help(uint32_t index)
{
    const struct metric_rule *rule = rule_of(index, &index);
    return rule ? rule->help : NULL;
}

int tux_metric_is_gauge(uint32_t index)
{
    const struct metric_rule *rule = rule_of(index, &index);
    return rule && rule->kind == 'g';
}

void tux_engine_metrics(struct tux_engine *e, uint64_t *out)
{
    atomic_store_explicit(&e->metrics.cachemiss_queue, tux_cachemiss_queued(e->pool), memory_order_relaxed);
    atomic_store_explicit(&e->metrics.cachemiss_busy, tux_cachemiss_busy(e->pool), memory_order_relaxed);
    atomic_store_explicit(&e->metrics.visits, atomic_load(&e->visits), memory_order_relaxed);
    atomic_store_explicit(&e->metrics.bursts, atomic_load(&e->bursts), memory_order_relaxed);
    atomic_store_explicit(&e->metrics.visit_steps, atomic_load(&e->visit_steps), memory_order_relaxed);
    u32 misses = e->http ? tux_ring_waiting(&e->http->misses) : 0;
    atomic_store_explicit(&e->metrics.judge_queue, misses, memory_order_relaxed);
    for (unsigned i = 0; i < TUX_COUNT(metrics); i++) {
        const _Atomic u64 *metric = (const _Atomic u64 *)(const void *)((const char *)&e->metrics + metrics[i].offset);
        for (u32 n = 0; n < values_of(&metrics[i]); n++)
            *out++ = atomic_load_explicit(&metric[n], memory_order_relaxed);
    }
}
