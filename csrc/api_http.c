/* api_http.c: the doors of api.h to an engine that serves HTTP: what its judge takes and hands down. An engine without
 * HTTP refuses them. */
#include "engine/control.h"
#include "http/decide.h"
#include "http/guard.h"
#include "http/http.h"
#include "http/rules.h"

static void owe(struct tux_engine *e, enum tux_owed what)
{
    if (!e->http) return;
    atomic_fetch_or(&e->owed, what);
    tux_control_knock(e);
}

void tux_engine_forget(struct tux_engine *e) { owe(e, TUX_OWES_FORGET); }

void tux_engine_forget_made(struct tux_engine *e) { owe(e, TUX_OWES_FORGET_MADE); }

/* --- commands ---------------------------------------------------------------------------------------------------- */

/* A command without its load; NULL when there is none to be had. */
static struct tux_command *command_of(struct tux_engine *e, void (*perform)(struct tux_engine *, struct tux_command *),
                                      void (*drop)(void *))
{
    struct tux_command *command = tux_control_new(e, TUX_COMMAND_PROTOCOL);
    if (!command) return NULL;
    command->perform = perform;
    command->drop = drop;
    return command;
}

static void apply_rules(struct tux_engine *e, struct tux_command *command) { tux_rules_apply(e, command->load); }

static void drop_rules(void *load) { tux_rules_drop(load); }

int tux_engine_rules(struct tux_engine *e, const struct tux_rules *rules)
{
    struct tux_rules_change *change = NULL;
    if (!e->http) return -EINVAL;
    struct tux_command *command = command_of(e, apply_rules, drop_rules);
    if (!command) return -ENOMEM;
    int failed = tux_rules_make(rules, &change);
    if (failed) {
        tux_control_free(e, command);
        return failed;
    }
    command->load = change;
    tux_control_post(e, command);
    return 0;
}

uint32_t tux_engine_rules_settled(struct tux_engine *e)
{
    return e->http ? atomic_load(&e->http->rules_settled) : 0;
}

/* The command's copies say which one it is. */
static void put_ready(struct tux_engine *e, struct tux_command *command)
{
    tux_guard_ready(e, command->copies / TUX_READY_FORMS, command->copies % TUX_READY_FORMS, command->load);
    command->load = NULL;
}

static void drop_response(void *load) { tux_response_free(load); }

int tux_engine_ready(struct tux_engine *e, uint32_t limit, uint32_t form, struct tux_response *response)
{
    bool there_is = e->http && limit < TUX_LIMITS && form < TUX_READY_FORMS;
    struct tux_command *command = there_is ? command_of(e, put_ready, drop_response) : NULL;
    if (!command) {
        tux_response_free(response);
        return there_is ? -ENOMEM : -EINVAL;
    }
    command->load = response;
    command->copies = limit * TUX_READY_FORMS + form;
    tux_control_post(e, command);
    return 0;
}

static void keep_preload(struct tux_engine *e, struct tux_command *command) { tux_decide_preload(e, command->load); }

static void drop_preload(void *load)
{
    struct tux_preload *preload = load;
    if (preload->response) tux_response_free(preload->response);
    free(preload);
}

int tux_engine_preload(struct tux_engine *e, uint64_t line, uint32_t class_number, uint32_t rules, const uint8_t *heads,
                       size_t heads_bytes, struct tux_response *response)
{
    if (!e->http || heads_bytes > TUX_HEAD_BYTES_MAX) return -EINVAL; /* so each of them fits, too */
    struct tux_preload *preload = calloc(1, sizeof *preload + heads_bytes);
    struct tux_command *command = preload ? command_of(e, keep_preload, drop_preload) : NULL;
    if (!command) {
        free(preload);
        return -ENOMEM;
    }
    *preload = (struct tux_preload){.response = response, .line = line, .class_number = class_number,
                                    .rules = rules, .heads_bytes = heads_bytes};
    memcpy(preload->heads, heads, heads_bytes);
    command->load = preload;
    tux_control_post(e, command);
    return 0;
}

/* --- rings ------------------------------------------------------------------------------------------------------- */

int tux_engine_misses(struct tux_engine *e, struct tux_miss *out, uint32_t max)
{
    return e->http ? (int)tux_ring_take(&e->http->misses, out, max) : 0;
}

int tux_response_open(const struct tux_response_options *options, struct tux_response **out, char *error)
{
    return tux_response_make(options, out, error);
}

void tux_response_close(struct tux_response *response) { tux_response_free(response); }

int tux_engine_answer(struct tux_engine *e, uint32_t slot, uint32_t generation, struct tux_response *response)
{
    if (!e->http || slot >= e->options.slots) return -EINVAL;
    struct tux_answer answer = {slot, generation, response};
    tux_ring_put(&e->http->answers, &answer);
    return 0;
}

uint32_t tux_engine_samples(struct tux_engine *e, struct tux_sample *out, uint32_t max)
{
    return e->http ? tux_ring_take(&e->http->samples, out, max) : 0;
}
