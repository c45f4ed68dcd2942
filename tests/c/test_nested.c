/* test_nested.c: the interpreter with a chain inside a chain, and with runs that end in the middle of things. */
#include "scene.h"

/* --- nested chains ----------------------------------------------------------------------------------------------- */

/* getpid, respond, getpid, with `respond_flags` on the middle one; the cell that respond fills is 2. */
static struct draft around(u16 respond_flags)
{
    struct draft d = draft_new();
    u16 connection = draft_param(&d), decision = draft_const(&d, 0), answered = draft_int(&d, -77);
    DRAFT_ATOM(&d, getpid, 0, TUX_NONE16, 1, );
    DRAFT_ATOM(&d, respond, respond_flags, answered, 2, connection, decision);
    DRAFT_ATOM(&d, getpid, 0, TUX_NONE16, TUX_NONE16, );
    return d;
}

/* Two atoms that add to cell 0 and return what came of it; the first stops when that is not positive. */
static void nest(i64 start)
{
    struct draft d = draft_new();
    u16 sum = draft_int(&d, start), one = draft_const(&d, 1);
    DRAFT_ATOM(&d, umem_add, SYSLET_STOP_ON_NON_POSITIVE, TUX_NONE16, 1, sum, one);
    DRAFT_ATOM(&d, umem_add, 0, TUX_NONE16, TUX_NONE16, sum, one);
    nested = draft_load(&d);
}

static void a_nested_chain_is_one_step_of_the_outer(void)
{
    struct draft d = around(0);
    struct scene s;
    nest(10);
    scene_open(&s, &d);
    SCRIPT(1, 3);
    left.answer = 500;
    ends(&s, TUX_REASON_END, 3, 2, 5);
    CHECK_EQ(left.calls, 1);
    CHECK_EQ(left.result, 12);
    CHECK(!left.stopped);
    CHECK_EQ(s.cells[2], 500);
    CHECK(s.run.outer.chain == NULL && s.run.frame.chain == s.chain);
    tux_chain_free(nested);
    scene_close(&s);
}

static void a_stop_inside_is_told_to_leave_alone(void)
{
    struct draft d = around(0);
    struct scene s;
    nest(-5);
    scene_open(&s, &d);
    SCRIPT(1, 3);
    left.answer = 1;
    ends(&s, TUX_REASON_END, 3, 2, 4);
    CHECK_EQ(left.result, -4);
    CHECK(left.stopped);
    CHECK_EQ(s.run.stop_flags, 0); /* that of the chain which has ended, and it did not stop */
    tux_chain_free(nested);
    scene_close(&s);
}

static void what_leave_says_stops_the_outer(void)
{
    struct draft d = around(SYSLET_STOP_ON_ZERO);
    struct scene s;
    nest(10);
    scene_open(&s, &d);
    SCRIPT(1, 3);
    left.answer = 0;
    ends(&s, TUX_REASON_STOP, 0, 1, 4);
    CHECK_EQ(s.run.stop_flags, SYSLET_STOP_ON_ZERO);
    CHECK(s.run.frame.chain == s.chain);
    tux_chain_free(nested);
    scene_close(&s);
}

/* Parked inside, a run keeps both places. */
static void a_run_may_park_inside(void)
{
    struct draft d = around(0), inner = draft_new();
    struct scene s;
    u16 connection = draft_param(&inner);
    DRAFT_ATOM(&inner, recv_head, 0, TUX_NONE16, TUX_NONE16, connection);
    nested = draft_load(&inner);
    scene_open(&s, &d);
    SCRIPT(1, TUX_AGAIN, 6, 3);
    left.answer = 1;
    CHECK_EQ(scene_step(&s), TUX_PARKED);
    CHECK(s.run.outer.chain == s.chain && s.run.frame.chain == nested);
    CHECK_EQ(s.run.outer.pc, 1);
    ends(&s, TUX_REASON_END, 3, 2, 4);
    CHECK_EQ(left.result, 6);
    tux_chain_free(nested);
    scene_close(&s);
}

/* --- faults and other ends --------------------------------------------------------------------------------------- */

/* shutdown is the call that faults here; getpid stands behind it and must not run. */
static struct draft faulty(u16 flags, u16 next)
{
    struct draft d = draft_new();
    u16 fd = draft_param(&d), how = draft_const(&d, 0);
    DRAFT_ATOM(&d, shutdown, flags, TUX_NONE16, next, fd, how);
    DRAFT_ATOM(&d, getpid, 0, TUX_NONE16, TUX_NONE16, );
    return d;
}

static void a_fault_ends_the_run_as_an_error(void)
{
    static const struct { u16 flags, next; u32 budget; } ways[] = {
        {0, 1, 0}, {0, TUX_NONE16, 0}, {SYSLET_STOP_ON_NEGATIVE, 1, 0},
        {SYSLET_STOP_ON_NEGATIVE | SYSLET_SKIP_TO_NEXT_ON_STOP, TUX_NONE16, 0}, {0, 1, 1}, {0, 0, 1},
    };
    for (size_t i = 0; i < TUX_COUNT(ways); i++) {
        struct draft d = faulty(ways[i].flags, ways[i].next);
        struct scene s;
        d.header.budget = ways[i].budget;
        scene_open(&s, &d);
        SCRIPT(1);
        ends(&s, TUX_REASON_ERROR, -EFAULT, 0, 1);
        CHECK_EQ(s.run.stop_flags, 0); /* no condition was asked */
        scene_close(&s);
    }
}

/* Inside, it ends the nested chain alone: the outer one is told of a stop, and knows what to do. */
static void a_fault_inside_ends_the_inside_alone(void)
{
    static const struct { u16 flags, next; } ways[] = {{0, TUX_NONE16}, {0, 1}, {0, 0}, {SYSLET_STOP_ON_NEGATIVE, 1}};
    for (size_t i = 0; i < TUX_COUNT(ways); i++) {
        struct draft d = around(0), inner = faulty(ways[i].flags, ways[i].next);
        struct scene s;
        inner.header.budget = 100;
        nested = draft_load(&inner);
        scene_open(&s, &d);
        SCRIPT(1, 3);
        left.answer = -EIO;
        ends(&s, TUX_REASON_END, 3, 2, 4);
        CHECK(left.calls == 1 && left.result == -EFAULT && left.stopped);
        CHECK_EQ(s.cells[2], -EIO);
        CHECK_EQ(s.run.stop_flags, 0);
        tux_chain_free(nested);
        scene_close(&s);
    }
}

static void a_trace_tells_atoms_and_depth(void)
{
    static struct tux_trace_entry entries[TUX_TRACE_MAX];
    static const struct { u16 atom, depth; i64 result; } wanted[] = {
        {0, 0, 1}, {0, 1, 11}, {1, 1, 12}, {1, 0, 500}, {2, 0, 3},
    };
    struct draft d = around(0);
    struct scene s;
    _Atomic u64 head = TUX_TRACE_MAX - 2; /* also over the end of the ring */
    nest(10);
    scene_open(&s, &d);
    s.stage.trace = entries;
    s.stage.trace_head = &head;
    s.run.slot = 6;
    SCRIPT(1, 3);
    left.answer = 500;
    ends(&s, TUX_REASON_END, 3, 2, 5);
    CHECK_EQ(head, TUX_TRACE_MAX + 3);
    for (size_t i = 0; i < TUX_COUNT(wanted); i++) {
        const struct tux_trace_entry *entry = &entries[(TUX_TRACE_MAX - 2 + i) % TUX_TRACE_MAX];
        CHECK_EQ(entry->slot, 6);
        CHECK_EQ(entry->atom, wanted[i].atom);
        CHECK_EQ(entry->depth, wanted[i].depth);
        CHECK_EQ(entry->result, wanted[i].result);
    }
    tux_chain_free(nested);
    scene_close(&s);
}

int main(void)
{
    a_nested_chain_is_one_step_of_the_outer();
    a_stop_inside_is_told_to_leave_alone();
    what_leave_says_stops_the_outer();
    a_run_may_park_inside();
    a_fault_ends_the_run_as_an_error();
    a_fault_inside_ends_the_inside_alone();
    a_trace_tells_atoms_and_depth();
    return 0;
}
