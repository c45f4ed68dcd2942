/* open.c: everything an engine will ever need is taken here, and given back in reverse. */
#include "open.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "control.h"
#include "exec.h"
#include "logger.h"
#include "loop.h"
#include "measure.h"
#include "rules.h"
#include "sending.h"
#include "serve.h"

static int check_options(const struct tux_options *o, char *why)
{
    const char *fault = NULL;
    if (o->slots == 0 || o->slots > TUX_SLOTS_MAX) fault = "slots";
    else if (o->workers == 0 || o->workers > TUX_WORKERS_MAX) fault = "workers";
    else if (o->cache_entries_max == 0 || o->cache_bytes_max == 0) fault = "cache_entries_max, cache_bytes_max";
    else if (!o->linger_ms) fault = "linger_ms";
    else if (!o->backend) fault = "backend";
    else fault = tux_rules_fault(&o->rules);
    if (!fault) return 0;
    snprintf(why, TUX_ERROR_BYTES, "an engine cannot be opened so: %s is out of range", fault);
    return -EINVAL;
}

static void give_back(struct tux_engine *e)
{
    if (e->log) tux_log_detach(e->log); /* it knows the descriptor at which we are knocked */
    tux_cachemiss_close(e->pool);
    tux_decisions_close(&e->decisions);
    for (struct tux_answer answer; tux_ring_take(&e->answers, &answer, 1) == 1;)
        if (answer.response) tux_response_free(answer.response);
    for (struct tux_command *command; (command = tux_control_take(e)) != NULL;) tux_control_free(e, command);
    tux_exec_close(e);
    tux_ring_close(&e->misses);
    tux_ring_close(&e->answers);
    tux_ring_close(&e->samples);
    tux_completions_close(&e->completions);
    if (e->knock_fd >= 0) close(e->knock_fd);
    pthread_cond_destroy(&e->opened);
    pthread_mutex_destroy(&e->lock);
    free(e->reserved);
    free(e->tables);
    for (u32 i = 0; i < TUX_LIMITS * TUX_READY_FORMS; i++) {
        struct tux_response *r = e->ready_answer[i / TUX_READY_FORMS][i % TUX_READY_FORMS];
        if (r) tux_response_free(r);
    }
    tux_watches_close(&e->watches);
    free(e->runs);
    free(e->requests);
    free(e->conns);
    free(e->cold);
    free(e->deadlines.at_ms);
    free(e->room.stands);
    free(e->stage.trace);
    free(e);
}

static int apply_first_rules(struct tux_engine *e)
{
    struct tux_rules_change *change;
    int failed = tux_rules_make(&e->options.rules, &change);
    if (failed) return failed;
    e->options.rules = (struct tux_rules){0}; /* it refers to memory of the caller */
    tux_rules_apply(e, change);
    tux_rules_drop(change);
    return 0;
}

static int take_memory(struct tux_engine *e, const struct tux_options *o)
{
    e->knock_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (e->knock_fd < 0) return -errno;
    e->runs = calloc(o->slots, sizeof *e->runs);
    e->requests = calloc(o->slots, sizeof *e->requests);
    e->conns = calloc(o->slots, sizeof *e->conns);
    e->cold = calloc(o->slots, sizeof *e->cold);
    e->reserved = calloc(TUX_RESERVED_COMMANDS, sizeof *e->reserved);
    e->deadlines =
        (struct tux_deadlines){.at_ms = calloc(o->slots, sizeof(u64)), .slots = o->slots, .next_ms = UINT64_MAX};
    e->room.stands = calloc(o->slots, 1);
    bool all = e->runs && e->requests && e->conns && e->cold && e->reserved && e->deadlines.at_ms && e->room.stands;
    if (!all) return -ENOMEM;
    for (u32 i = 0; i < TUX_RESERVED_COMMANDS; i++) {
        e->reserved[i].next = e->reserve;
        e->reserve = &e->reserved[i];
    }
    for (u32 i = o->slots; i-- > 0;) {
        e->runs[i].slot = i;
        tux_list_push(e, &e->unused, &e->runs[i]);
    }
    e->clients = o->clients;
    if (o->log) {
        e->log = tux_log_attach(o->log, e->knock_fd);
        if (!e->log) return -ENOMEM;
    }
    int failed = tux_ring_open(&e->misses, sizeof(struct tux_miss), o->slots);
    if (!failed) failed = tux_ring_open(&e->answers, sizeof(struct tux_answer), o->slots);
    if (!failed) failed = tux_ring_open(&e->samples, sizeof(struct tux_sample), TUX_SAMPLES);
    if (!failed) failed = tux_completions_open(&e->completions, o->slots);
    if (!failed)
        failed = tux_decisions_open(&e->decisions, o->cache_entries_max, o->cache_bytes_max, o->secret, &e->metrics);
    if (o->cache_files_max) e->decisions.files_max = o->cache_files_max;
    if (!failed) failed = apply_first_rules(e);
    if (!failed) failed = tux_cachemiss_open(&e->pool, o->workers, e->knock_fd, e);
    if (!failed) tux_windows_open(&e->windows, e->pool, o->workers, &e->metrics);
    return failed;
}

/* Signals belong to the caller's threads, so ours start with all of them blocked. */
static int start_thread(struct tux_engine *e)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&e->thread, NULL, tux_loop, e);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) return -failed;
    pthread_mutex_lock(&e->lock);
    while (e->open_result == 1) pthread_cond_wait(&e->opened, &e->lock);
    pthread_mutex_unlock(&e->lock);
    if (e->open_result) pthread_join(e->thread, NULL);
    return e->open_result;
}

static void no_memory(char why[TUX_ERROR_BYTES], int failed)
{
    snprintf(why, TUX_ERROR_BYTES, "an engine cannot have its memory or threads: %s", strerror(-failed));
}

int tux_open(const struct tux_options *options, struct tux_engine **out, char why[TUX_ERROR_BYTES])
{
    int failed = check_options(options, why);
    if (failed) return failed;
    struct tux_engine *e = calloc(1, sizeof *e);
    if (!e) {
        no_memory(why, -ENOMEM);
        return -ENOMEM;
    }
    e->options = *options;
    e->knock_fd = -1;
    tux_watches_open(&e->watches);
    e->open_result = 1;
    e->commands_tail = &e->commands;
    e->arrivals_tail = &e->arrivals;
    e->batches_tail = &e->batches;
    e->ready = e->bulk = e->unused = e->unlogged = tux_no_runs();
    for (u32 i = 0; i < TUX_PENDING; i++) e->pending[i].slot = TUX_NONE32;
    pthread_mutex_init(&e->lock, NULL);
    pthread_cond_init(&e->opened, NULL);
    tux_serve_calls(e->calls);
    e->stage = (struct tux_stage){.place = TUX_ON_ENGINE,
                                  .perform = e->calls,
                                  .leave = tux_serve_leave,
                                  .stands = tux_sending_stands,
                                  .copy = e->copy,
                                  .windows = &e->windows,
                                  .shared = e->shared,
                                  .trace_head = &e->trace_head};
    failed = take_memory(e, options);
    if (!failed) {
        failed = start_thread(e);
        memcpy(why, e->why, TUX_ERROR_BYTES);
    } else {
        no_memory(why, failed);
    }
    if (failed && why[0] == 0) no_memory(why, failed);
    if (failed) {
        give_back(e);
        return failed;
    }
    *out = e;
    return 0;
}

void tux_close(struct tux_engine *e)
{
    atomic_fetch_or(&e->owed, TUX_OWES_STOP);
    tux_control_knock(e);
    pthread_join(e->thread, NULL);
    if (!e->hangs) give_back(e); /* else a worker still works in there, and it is left until the process ends */
}
