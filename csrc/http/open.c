/* open.c: everything an engine will ever need is taken here, and given back in reverse. */
#include "http/open.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "engine/accept.h"
#include "engine/control.h"
#include "engine/exec.h"
#include "http/http.h"
#include "engine/loop.h"

static int check_options(const struct tux_options *o, char *why)
{
    const char *fault = NULL;
    if (o->slots == 0 || o->slots > TUX_SLOTS_MAX) fault = "slots";
    else if (o->workers == 0 || o->workers > TUX_WORKERS_MAX) fault = "workers";
    else if (!o->backend) fault = "backend";
    else if (o->http) fault = tux_http_fault(o->http);
    if (!fault) return 0;
    snprintf(why, TUX_ERROR_BYTES, "an engine cannot be opened so: %s is out of range", fault);
    return -EINVAL;
}

static void give_back(struct tux_engine *e)
{
    if (e->pool) (void)tux_cachemiss_stop(e->pool);
    if (e->protocol) e->protocol->close(e);
    for (struct tux_command *command; (command = tux_control_take(e)) != NULL;) tux_control_free(e, command);
    tux_exec_close(e);
    tux_completions_close(&e->completions);
    if (e->knock_fd >= 0) close(e->knock_fd);
    pthread_cond_destroy(&e->opened);
    pthread_mutex_destroy(&e->lock);
    free(e->reserved);
    tux_cachemiss_close(e->pool); /* responses ask it how their files are to be closed */
    free(e->runs);
    free(e->cold);
    free(e->deadlines.at_ms);
    free(e->stage.trace);
    free(e);
}

static int take_memory(struct tux_engine *e, const struct tux_options *o)
{
    e->knock_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (e->knock_fd < 0) return -errno;
    e->runs = calloc(o->slots, sizeof *e->runs);
    e->cold = calloc(o->slots, sizeof *e->cold);
    e->reserved = calloc(TUX_RESERVED_COMMANDS, sizeof *e->reserved);
    e->deadlines =
        (struct tux_deadlines){.at_ms = calloc(o->slots, sizeof(u64)), .slots = o->slots, .next_ms = UINT64_MAX};
    if (!e->runs || !e->cold || !e->reserved || !e->deadlines.at_ms) return -ENOMEM;
    for (u32 i = 0; i < TUX_RESERVED_COMMANDS; i++) {
        e->reserved[i].next = e->reserve;
        e->reserve = &e->reserved[i];
    }
    for (u32 i = o->slots; i-- > 0;) {
        e->runs[i].slot = i;
        tux_list_push(e, &e->unused, &e->runs[i]);
    }
    int failed = tux_completions_open(&e->completions, o->slots);
    if (!failed && o->http) failed = tux_http_open(e, o->http);
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
    e->options.http = NULL; /* the caller's */
    e->knock_fd = -1;
    e->open_result = 1;
    e->commands_tail = &e->commands;
    e->arrivals_tail = &e->arrivals;
    e->batches_tail = &e->batches;
    e->ready = e->bulk = e->unused = tux_no_runs();
    pthread_mutex_init(&e->lock, NULL);
    pthread_cond_init(&e->opened, NULL);
    memcpy(e->calls, tux_plain_calls, sizeof e->calls);
    e->calls[TUX_CALL_accept4] = tux_accept4;
    e->stage = (struct tux_stage){.place = TUX_ON_ENGINE,
                                  .perform = e->calls,
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
