/* test_step.c: the interpreter: where a chain goes after each atom, and when it lets go or ends. */
#include "scene.h"

/* --- stop conditions --------------------------------------------------------------------------------------------- */

static void conditions_hold_for_their_results(void)
{
    static const struct { u16 flag; bool negative, zero, positive; } table[] = {
        {SYSLET_STOP_ON_NONZERO, true, false, true},   {SYSLET_STOP_ON_ZERO, false, true, false},
        {SYSLET_STOP_ON_NEGATIVE, true, false, false}, {SYSLET_STOP_ON_NON_POSITIVE, true, true, false},
    };
    static const i64 results[] = {INT64_MIN + 64, -1, 0, 1, INT64_MAX};
    for (size_t i = 0; i < TUX_COUNT(table); i++)
        for (size_t r = 0; r < TUX_COUNT(results); r++) {
            bool wanted = results[r] < 0 ? table[i].negative : results[r] == 0 ? table[i].zero : table[i].positive;
            struct draft d = draft_new();
            struct scene s;
            DRAFT_ATOM(&d, getpid, table[i].flag, TUX_NONE16, 1, );
            DRAFT_ATOM(&d, getpid, 0, TUX_NONE16, TUX_NONE16, );
            scene_open(&s, &d);
            SCRIPT(results[r], 5);
            ends(&s, wanted ? TUX_REASON_STOP : TUX_REASON_END, wanted ? results[r] : 5, !wanted, wanted ? 1 : 2);
            CHECK_EQ(s.run.stop_flags, wanted ? table[i].flag : 0);
            scene_close(&s);
        }
}

static void several_conditions_say_which_held(void)
{
    u16 both = SYSLET_STOP_ON_ZERO | SYSLET_STOP_ON_NEGATIVE | SYSLET_STOP_ON_NON_POSITIVE;
    CHECK_EQ(tux_stop_conditions(both, 0), SYSLET_STOP_ON_ZERO | SYSLET_STOP_ON_NON_POSITIVE);
    CHECK_EQ(tux_stop_conditions(both, -1), SYSLET_STOP_ON_NEGATIVE | SYSLET_STOP_ON_NON_POSITIVE);
    CHECK_EQ(tux_stop_conditions(both, 1), 0);
    CHECK_EQ(tux_stop_conditions(SYSLET_FLAGS_ALL & ~0xF8, -1), 0); /* ASYNC, SYNC and NO_COMPLETE are none */
}

/* Stop with SKIP goes to the linearly next atom, whatever `next` says; no stop goes to `next`, also backwards. */
static void skip_goes_to_the_linearly_next(void)
{
    struct draft d = draft_new();
    struct scene s;
    u16 spot = draft_int(&d, 0), ten = draft_const(&d, 10), hundred = draft_const(&d, 100);
    DRAFT_ATOM(&d, getpid, SYSLET_STOP_ON_NEGATIVE | SYSLET_SKIP_TO_NEXT_ON_STOP, TUX_NONE16, 2, );
    DRAFT_ATOM(&d, umem_add, 0, TUX_NONE16, TUX_NONE16, spot, ten);
    DRAFT_ATOM(&d, umem_add, 0, TUX_NONE16, TUX_NONE16, spot, hundred);
    scene_open(&s, &d);
    SCRIPT(-1);
    ends(&s, TUX_REASON_END, 10, 1, 2);
    CHECK_EQ(s.run.stop_flags, 0);
    scene_close(&s);
    scene_open(&s, &d);
    SCRIPT(1);
    ends(&s, TUX_REASON_END, 100, 2, 2);
    scene_close(&s);
}

static void a_loop_counts_down(void)
{
    struct draft d = draft_new();
    struct scene s;
    u16 left_over = draft_int(&d, 7), minus = draft_const(&d, -1), seen = draft_int(&d, 0);
    DRAFT_ATOM(&d, getpid, 0, seen, 1, );
    DRAFT_ATOM(&d, umem_add, SYSLET_STOP_ON_NON_POSITIVE, TUX_NONE16, 0, left_over, minus);
    d.header.budget = 100;
    scene_open(&s, &d);
    SCRIPT(42);
    ends(&s, TUX_REASON_STOP, 0, 1, 14);
    CHECK_EQ(s.cells[seen], 42);
    CHECK_EQ(s.run.stop_flags, SYSLET_STOP_ON_NON_POSITIVE);
    scene_close(&s);
}

/* --- budget, slice, parking -------------------------------------------------------------------------------------- */

static struct draft two_in_a_loop(u32 budget)
{
    struct draft d = draft_new();
    u16 connection = draft_param(&d);
    DRAFT_ATOM(&d, recv_head, 0, TUX_NONE16, 1, connection);
    DRAFT_ATOM(&d, getpid, 0, TUX_NONE16, 0, );
    d.header.budget = budget;
    return d;
}

static void a_budget_ends_a_loop(void)
{
    struct draft d = two_in_a_loop(11);
    struct scene s;
    scene_open(&s, &d);
    SCRIPT(9);
    ends(&s, TUX_REASON_BUDGET, 9, 0, 11);
    scene_close(&s);
}

/* A budget of exactly the steps that are needed is enough. */
static void a_budget_is_missed_only_when_a_step_is_wanted(void)
{
    struct draft d = draft_new();
    struct scene s;
    DRAFT_ATOM(&d, getpid, 0, TUX_NONE16, 1, );
    DRAFT_ATOM(&d, getpid, 0, TUX_NONE16, TUX_NONE16, );
    d.header.budget = 2;
    scene_open(&s, &d);
    SCRIPT(1, 2);
    ends(&s, TUX_REASON_END, 2, 1, 2);
    scene_close(&s);
}

static void a_slice_lets_go_and_goes_on(void)
{
    struct draft d = two_in_a_loop(3 * TUX_SLICE_STEPS - 1);
    struct scene s;
    scene_open(&s, &d);
    SCRIPT(1);
    CHECK_EQ(scene_step(&s), TUX_SLICE_USED);
    CHECK_EQ(s.run.steps, TUX_SLICE_STEPS);
    CHECK_EQ(scene_step(&s), TUX_SLICE_USED);
    CHECK_EQ(s.run.steps, 2 * TUX_SLICE_STEPS);
    ends(&s, TUX_REASON_BUDGET, 1, 0, 3 * TUX_SLICE_STEPS - 1);
    scene_close(&s);
}

/* A status word is no result: nothing is stored, no condition asked, and the same atom comes again. */
static void a_parked_atom_is_tried_again(void)
{
    static const i64 words[] = {TUX_AGAIN, TUX_COLD};
    for (size_t i = 0; i < TUX_COUNT(words); i++) {
        struct draft d = draft_new();
        struct scene s;
        u16 connection = draft_param(&d), got = draft_int(&d, 77);
        DRAFT_ATOM(&d, getpid, 0, TUX_NONE16, 1, );
        DRAFT_ATOM(&d, recv_head, SYSLET_STOP_ON_NEGATIVE, got, TUX_NONE16, connection);
        scene_open(&s, &d);
        SCRIPT(1, words[i], words[i], 4);
        s.run.progress = 5;
        for (int turn = 0; turn < 2; turn++) {
            CHECK_EQ(scene_step(&s), TUX_PARKED);
            CHECK_EQ(s.run.steps, 1);
            CHECK_EQ(s.run.frame.pc, 1);
            CHECK_EQ(s.cells[got], 77);
            CHECK_EQ(s.run.progress, turn ? 3 : 0); /* kept while the atom waits, gone with the atom before */
            s.run.progress = 3;
        }
        ends(&s, TUX_REASON_END, 4, 1, 2);
        CHECK_EQ(s.cells[got], 4);
        CHECK_EQ(s.run.progress, 0);
        scene_close(&s);
    }
}

/* Somebody else may want the run to end: that happens behind the atom it is at, unless the chain ends there anyhow. */
static void a_run_that_must_end_ends_behind_its_atom(void)
{
    struct draft d = two_in_a_loop(0);
    struct scene s;
    scene_open(&s, &d);
    SCRIPT(TUX_AGAIN, 8);
    CHECK_EQ(scene_step(&s), TUX_PARKED);
    s.run.ending = TUX_REASON_CANCELLED;
    ends(&s, TUX_REASON_CANCELLED, 8, 0, 1);
    scene_close(&s);
}

/* --- descriptors ------------------------------------------------------------------------------------------------- */

static void a_descriptor_cell_owns_one_descriptor(void)
{
    struct draft d = draft_new();
    struct scene s;
    u16 listener = draft_param(&d), zero = draft_const(&d, 0), owned = draft_fd(&d);
    DRAFT_ATOM(&d, accept4, 0, owned, 0, listener, zero);
    scene_open(&s, &d);
    int first = check_eventfd(), second = check_eventfd();
    SCRIPT(first, TUX_AGAIN);
    CHECK_EQ(scene_step(&s), TUX_PARKED);
    CHECK_EQ(s.cells[owned], first);
    CHECK(check_is_open(first));
    SCRIPT(second, TUX_AGAIN);
    CHECK_EQ(scene_step(&s), TUX_PARKED);
    CHECK_EQ(s.cells[owned], second);
    CHECK(!check_is_open(first) && check_is_open(second));
    SCRIPT(-EMFILE, TUX_AGAIN);
    CHECK_EQ(scene_step(&s), TUX_PARKED);
    CHECK_EQ(s.cells[owned], -1);
    CHECK(!check_is_open(second));
    scene_close(&s);
}

static void frame_close_closes_what_is_owned(void)
{
    struct draft d = draft_new();
    struct scene s;
    u16 lent = draft_param(&d), owned = draft_fd(&d), empty = draft_fd(&d), other = draft_fd(&d);
    DRAFT_ATOM(&d, getpid, 0, TUX_NONE16, TUX_NONE16, );
    scene_open(&s, &d);
    int fds[3] = {check_eventfd(), check_eventfd(), check_eventfd()};
    CHECK_EQ(tux_frame_param(&s.run.frame, lent, fds[0]), 0);
    s.cells[owned] = fds[1];
    s.cells[other] = fds[2];
    tux_frame_close(&s.run.frame);
    CHECK(check_is_open(fds[0]) && !check_is_open(fds[1]) && !check_is_open(fds[2]));
    CHECK(s.cells[owned] == -1 && s.cells[empty] == -1 && s.cells[other] == -1);
    tux_frame_close(&s.run.frame);
    close(fds[0]);
    scene_close(&s);
}

static void only_a_param_takes_a_value(void)
{
    struct draft d = draft_new();
    struct scene s;
    u16 param = draft_param(&d), number = draft_int(&d, 3), constant = draft_const(&d, 4);
    DRAFT_ATOM(&d, getpid, 0, TUX_NONE16, TUX_NONE16, );
    scene_open(&s, &d);
    CHECK_EQ(tux_frame_param(&s.run.frame, param, -9), 0);
    CHECK_EQ(tux_frame_param(&s.run.frame, number, 1), -EINVAL);
    CHECK_EQ(tux_frame_param(&s.run.frame, constant, 1), -EINVAL);
    CHECK_EQ(tux_frame_param(&s.run.frame, 3, 1), -EINVAL);
    CHECK_EQ(tux_frame_param(&s.run.frame, TUX_NONE16, 1), -EINVAL);
    CHECK(s.cells[param] == -9 && s.cells[number] == 3 && s.cells[constant] == 4);
    scene_close(&s);
}

int main(void)
{
    conditions_hold_for_their_results();
    several_conditions_say_which_held();
    skip_goes_to_the_linearly_next();
    a_loop_counts_down();
    a_budget_ends_a_loop();
    a_budget_is_missed_only_when_a_step_is_wanted();
    a_slice_lets_go_and_goes_on();
    a_parked_atom_is_tried_again();
    a_descriptor_cell_owns_one_descriptor();
    frame_close_closes_what_is_owned();
    only_a_param_takes_a_value();
    a_run_that_must_end_ends_behind_its_atom();
    return 0;
}
