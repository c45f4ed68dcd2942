/* scene.h: the interpreter on a stage of ours: what each call returns is written down before, so that only the flow is
 * under test. */
#ifndef TUX_SCENE_H
#define TUX_SCENE_H

#include "draft.h"
#include "chain/step.h"

/* What getpid and recv return, one after the other; the last one again and again. */
static i64 script[16];
static unsigned script_length, script_at;

#define SCRIPT(...)                                                        \
    do {                                                                   \
        const i64 results_[] = {__VA_ARGS__};                              \
        memcpy(script, results_, sizeof results_);                         \
        script_length = TUX_COUNT(results_);                               \
        script_at = 0;                                                     \
    } while (0)

static struct tux_chain *nested;
static i64 nested_cells[TUX_INNER_CELLS_MAX];

static struct { unsigned calls; i64 result; bool stopped; i64 answer; } left;

static inline i64 scene_play(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    (void)stage, (void)run, (void)atom;
    i64 result = script[script_at];
    if (script_at + 1 < script_length) script_at++;
    return result;
}

static inline i64 scene_add(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    (void)stage;
    return run->frame.cells[atom->args[0]] += tux_arg(run, atom, 1);
}

static inline i64 scene_fault(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    (void)stage, (void)atom;
    return tux_fault(run);
}

static inline i64 scene_enter(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom)
{
    (void)stage, (void)atom;
    run->outer = run->frame;
    tux_frame_start(&run->frame, nested, nested_cells, nested->data, NULL);
    return TUX_ENTER;
}

static inline i64 scene_leave(struct tux_stage *stage, struct tux_run *run, i64 result, bool stopped)
{
    (void)stage;
    CHECK(run->outer.chain != NULL);
    left.calls++;
    left.result = result;
    left.stopped = stopped;
    return left.answer;
}

static const tux_perform scene_calls[TUX_CALLS_MAX] = {
    [TUX_CALL_getpid] = scene_play,    [TUX_CALL_umem_add] = scene_add,   [TUX_CALL_accept4] = scene_play,
    [TUX_CALL_recv_head] = scene_play, [TUX_CALL_shutdown] = scene_fault, [TUX_CALL_respond] = scene_enter,
};

/* A run and all it stands on. */
struct scene {
    struct tux_stage stage;
    struct tux_run run;
    struct tux_chain *chain;
    i64 cells[TUX_CELLS_MAX];
    u16 reason;
    i64 result;
};

static inline void scene_open(struct scene *s, const struct draft *d)
{
    *s = (struct scene){.stage = {.place = TUX_ON_ENGINE, .perform = scene_calls, .leave = scene_leave}};
    s->chain = draft_load(d);
    tux_frame_start(&s->run.frame, s->chain, s->cells, s->chain->data, NULL);
    left.calls = 0;
}

static inline enum tux_outcome scene_step(struct scene *s)
{
    return tux_step(&s->stage, &s->run, &s->reason, &s->result);
}

static inline void scene_close(struct scene *s) { tux_chain_free(s->chain); }

/* Run to the end and compare what the completion will say. */
static inline void ends(struct scene *s, u16 reason, i64 result, u16 last_atom, u64 steps)
{
    CHECK_EQ(scene_step(s), TUX_ENDED);
    CHECK_EQ(s->reason, reason);
    CHECK_EQ(s->result, result);
    CHECK_EQ(s->run.last_atom, last_atom);
    CHECK_EQ(s->run.steps, steps);
}

#endif
