/* test_deadline.c: one limit a slot, and a sweep that finds each expired one once. */
#include "base/deadline.h"

#include "check.h"

enum { SLOTS = 100 };

static u64 limits[SLOTS];

static struct tux_deadlines fresh(void)
{
    memset(limits, 0, sizeof limits);
    return (struct tux_deadlines){.at_ms = limits, .slots = SLOTS, .next_ms = UINT64_MAX};
}

/* Sweep at `now_ms`; the expired slots as a set. */
static void sweep(struct tux_deadlines *d, u64 now_ms, bool expired[SLOTS])
{
    memset(expired, 0, SLOTS * sizeof expired[0]);
    tux_deadline_sweep_begin(d);
    for (u32 slot = 0; (slot = tux_deadline_sweep(d, slot, now_ms)) != TUX_NONE32; slot++) {
        CHECK(slot < SLOTS);
        CHECK(!expired[slot]);
        expired[slot] = true;
    }
}

static void nothing_expires_without_a_limit(void)
{
    struct tux_deadlines d = fresh();
    bool expired[SLOTS];
    sweep(&d, UINT64_MAX, expired);
    for (u32 slot = 0; slot < SLOTS; slot++) CHECK(!expired[slot]);
    CHECK(d.next_ms == UINT64_MAX);
}

static void a_limit_expires_at_its_time_and_once(void)
{
    struct tux_deadlines d = fresh();
    bool expired[SLOTS];
    tux_deadline_set(&d, 0, 1000);
    tux_deadline_set(&d, 50, 2000);
    tux_deadline_set(&d, SLOTS - 1, 1500);
    CHECK_EQ(d.next_ms, 1000);
    sweep(&d, 999, expired);
    CHECK(!expired[0] && !expired[50] && !expired[SLOTS - 1]);
    CHECK_EQ(d.next_ms, 1000);
    sweep(&d, 1500, expired);
    CHECK(expired[0] && !expired[50] && expired[SLOTS - 1]);
    CHECK_EQ(d.next_ms, 2000);
    sweep(&d, 2000, expired);
    CHECK(!expired[0] && expired[50] && !expired[SLOTS - 1]);
    CHECK(d.next_ms == UINT64_MAX);
}

static void a_limit_can_be_moved_and_taken_off(void)
{
    struct tux_deadlines d = fresh();
    bool expired[SLOTS];
    tux_deadline_set(&d, 3, 1000);
    tux_deadline_set(&d, 3, 5000);
    tux_deadline_set(&d, 4, 1000);
    tux_deadline_set(&d, 4, 0);
    CHECK(d.next_ms <= 5000);
    sweep(&d, 4999, expired);
    CHECK(!expired[3] && !expired[4]);
    CHECK_EQ(d.next_ms, 5000); /* exact again */
    sweep(&d, 5000, expired);
    CHECK(expired[3]);
}

/* Whoever handles an expired slot may set limits while the sweep goes on, in front of it and behind it. */
static void limits_may_be_set_during_a_sweep(void)
{
    struct tux_deadlines d = fresh();
    tux_deadline_set(&d, 10, 1);
    tux_deadline_sweep_begin(&d);
    CHECK_EQ(tux_deadline_sweep(&d, 0, 100), 10);
    tux_deadline_set(&d, 2, 150);
    tux_deadline_set(&d, 10, 170);
    tux_deadline_set(&d, 20, 90);
    CHECK_EQ(tux_deadline_sweep(&d, 11, 100), 20);
    CHECK(tux_deadline_sweep(&d, 21, 100) == TUX_NONE32);
    CHECK(d.next_ms <= 150);
    bool expired[SLOTS];
    sweep(&d, 160, expired);
    CHECK(expired[2] && !expired[10]);
    CHECK_EQ(d.next_ms, 170);
}

/* Against the plain rule, with random limits: next_ms is never too late, or a limit would be overslept. */
static void no_limit_is_overslept(void)
{
    struct tux_deadlines d = fresh();
    u64 seed = 3, plain[SLOTS] = {0};
    for (u64 now = 1; now < 20000; now++) {
        for (int change = 0; change < 3; change++) {
            u32 slot = check_below(&seed, SLOTS);
            plain[slot] = check_below(&seed, 4) ? now + check_below(&seed, 500) : 0;
            tux_deadline_set(&d, slot, plain[slot]);
        }
        bool expired[SLOTS] = {false};
        if (d.next_ms <= now) sweep(&d, now, expired);
        for (u32 slot = 0; slot < SLOTS; slot++) {
            CHECK_EQ(expired[slot], plain[slot] != 0 && plain[slot] <= now);
            if (expired[slot]) plain[slot] = 0;
        }
    }
}

int main(void)
{
    nothing_expires_without_a_limit();
    a_limit_expires_at_its_time_and_once();
    a_limit_can_be_moved_and_taken_off();
    limits_may_be_set_during_a_sweep();
    no_limit_is_overslept();
    return 0;
}
