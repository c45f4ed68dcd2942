/* freshness.c: a response is used without a check for as long as the configuration says (look_ms) after its last check;
 * then its witnesses are checked before it is used.
 *
 * openat2(2) with RESOLVE_CACHED never waits for a disk, and a name that it finds is in memory. For other names the
 * request waits for a worker. On a busy machine one check of a name took 3.6 µs (statx by path 1.4), so a hot file pays
 * for fifty of them a second at 20 ms: 0.2 ms.
 *
 * Where a check may have to ask a network (witness.h), a worker checks in the background, and a change is seen within a
 * second. */
#include "http/freshness.h"

#include <sys/sysmacros.h>

#include "http/epoch.h"

/* --- where its names are ------------------------------------------------------------------------------------------ */

static enum tux_place_kind place_of(struct tux_engine *e, u64 dev)
{
    if (major(dev) != 0) return TUX_PLACE_DISK; /* a block device: the common case, and never a network */
    for (unsigned i = 0; i < TUX_DEVICES_MAX; i++)
        if (e->http->places[i].dev == dev && e->stage.now_ms < e->http->places[i].until_ms)
            return (enum tux_place_kind)e->http->places[i].kind;
    return TUX_PLACE_UNKNOWN;
}

static void remember_place(struct tux_engine *e, u64 dev, u8 kind)
{
    unsigned i = 0;
    while (i < TUX_DEVICES_MAX && e->http->places[i].dev != dev) i++;
    if (i == TUX_DEVICES_MAX) i = e->http->next_place++ % TUX_DEVICES_MAX;
    u64 until_ms = e->stage.now_ms + TUX_DEVICE_MS;
    e->http->places[i] = (struct tux_known_place){.dev = dev, .until_ms = until_ms, .kind = kind};
}

static enum tux_place_kind place_of_response(struct tux_engine *e, struct tux_response *r)
{
    if (r->far) return TUX_PLACE_FAR; /* the judge knows */
    if (r->place == TUX_PLACE_UNKNOWN && r->one_device && !r->checking) r->place = (u8)place_of(e, r->dev);
    return (enum tux_place_kind)r->place;
}

/* --- a worker's check --------------------------------------------------------------------------------------------- */

/* May a write(2) of the announced version still be under way? */
static bool must_settle(const struct tux_engine *e, const struct tux_response *r)
{
    return r->file >= 0 && !r->far && !r->settled && tux_response_file_is_young(r, e->http->wall_s * 1000000000);
}

static void begin_check(struct tux_engine *e, struct tux_response *r)
{
    if (r->checking) return;
    r->checking = true;
    r->check_began_ms = e->stage.now_ms;
    r->refs++;
    tux_epoch_check_begins(e, r);
    tux_metric_add(&e->metrics.checks, 1);
    r->settles = must_settle(e, r);
    if (!r->settles) {
        tux_cachemiss_post_light(e->pool, &r->job);
        return;
    }
    r->job.place = r->dev ^ (u64)(uintptr_t)r; /* a place of its own: a long write delays no other job */
    if (r->job.place == 0) r->job.place = 1;
    tux_cachemiss_post(e->pool, &r->job);
}

/* False: there is no memory to wait with. */
static bool wait_for_check(struct tux_engine *e, struct tux_run *run, struct tux_response *r)
{
    if (tux_request_pin_head(run->request) != 0) return false;
    run->wait = TUX_WAIT_FRESH;
    tux_list_add(e, &r->waiters, run);
    return true;
}

void tux_freshness_checked(struct tux_engine *e, struct tux_response *r)
{
    r->checking = false;
    if (r->settles) { /* later writes change the date */
        r->settled = true;
        r->settles = false;
        r->job.place = 0;
    }
    tux_epoch_check_ends(e, r);
    r->checked_ms = r->check_began_ms;
    r->place = r->found_place;
    if (r->one_device) remember_place(e, r->dev, r->place);
    if (!r->unchanged && !r->dead) {
        r->dead = true; /* the next look-up takes it out */
        tux_metric_add(&e->metrics.stale, 1);
    }
    for (struct tux_run *run; (run = tux_list_take(e, &r->waiters)) != NULL;) tux_wake(e, run);
    tux_response_drop(r, &e->metrics);
}

/* --- may it be used? ---------------------------------------------------------------------------------------------- */

static enum tux_fresh dead(struct tux_engine *e, struct tux_response *r)
{
    r->dead = true;
    tux_metric_add(&e->metrics.stale, 1);
    return TUX_FRESH_DEAD;
}

bool tux_freshness_current(struct tux_engine *e, struct tux_response *r)
{
    if (tux_response_file_holds(r)) return true;
    (void)dead(e, r);
    return false;
}

/* From half a second of age on it is checked in the background; from nearly a second on requests wait for the check. */
static enum tux_fresh ask_network(struct tux_engine *e, struct tux_run *run, struct tux_response *r, u64 age_ms)
{
    if (age_ms >= TUX_FRESH_MS) begin_check(e, r);
    if (age_ms >= TUX_STALE_MS && wait_for_check(e, run, r)) return TUX_FRESH_WAIT;
    return tux_freshness_current(e, r) ? TUX_FRESH_USE : TUX_FRESH_DEAD;
}

static enum tux_fresh look(struct tux_engine *e, struct tux_run *run, struct tux_response *r, u64 age_ms)
{
    enum tux_place_kind place = place_of_response(e, r);
    /* Was it checked for this very request? */
    bool waited = run->woken_for == TUX_WAIT_FRESH && r->checked_ms >= run->request->began_ms;
    if (place == TUX_PLACE_FAR) return ask_network(e, run, r, age_ms);
    if (waited) return tux_freshness_current(e, r) ? TUX_FRESH_USE : TUX_FRESH_DEAD;
    enum tux_sight sight = place == TUX_PLACE_UNKNOWN ? TUX_UNSEEN : tux_response_look(r, place == TUX_PLACE_MEMORY);
    if (sight != TUX_UNSEEN) tux_metric_add(&e->metrics.looks, 1);
    if (sight == TUX_OTHER) return dead(e, r);
    if (sight == TUX_SAME) {
        r->checked_ms = e->stage.now_ms;
        return r->file_is_watched || tux_freshness_current(e, r) ? TUX_FRESH_USE : TUX_FRESH_DEAD;
    }
    begin_check(e, r);
    return wait_for_check(e, run, r) ? TUX_FRESH_WAIT : dead(e, r);
}

bool tux_freshness_settles(struct tux_engine *e, struct tux_run *run, struct tux_response *r)
{
    if (__builtin_expect(!must_settle(e, r), 1)) return false;
    begin_check(e, r);
    return wait_for_check(e, run, r);
}

enum tux_fresh tux_freshness(struct tux_engine *e, struct tux_run *run, struct tux_response *r)
{
    u64 age_ms = e->stage.now_ms - r->checked_ms;
    if (__builtin_expect(age_ms >= e->http->rules.look_ms && r->witness_count > 0, 0)) return look(e, run, r, age_ms);
    return tux_freshness_current(e, r) ? TUX_FRESH_USE : TUX_FRESH_DEAD;
}
