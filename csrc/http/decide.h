/* decide.h: the call in the middle of a request's way. */
#ifndef TUX_DECIDE_H
#define TUX_DECIDE_H

#include "http/http.h"

/* A response and the heads that it answers. */
struct tux_preload {
    struct tux_response *response;
    u64 line;
    u32 class_number, rules;
    size_t heads_bytes;
    u8 heads[];
};

/* Choose the response to the current head: request->chosen. Its status. */
i64 tux_decide(struct tux_stage *stage, struct tux_run *run, const struct tux_atom *atom);
/* Take the judge's answers. */
void tux_decide_answers(struct tux_engine *e);
/* Runs that wait for the answer that the run in this slot asked for (TUX_NONE32: for any) look up the cache again. */
void tux_decide_release_joined(struct tux_engine *e, u32 slot);
/* Keep a response under the keys of its heads; takes it out of `preload`. */
void tux_decide_preload(struct tux_engine *e, struct tux_preload *preload);

#endif
