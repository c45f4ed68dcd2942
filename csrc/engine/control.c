/* control.c: a list under a lock, and a knock. Commands are rare: a submit at start, a drain at the end. */
#include "engine/control.h"

#include <unistd.h>

void tux_control_knock(struct tux_engine *e)
{
    if (atomic_exchange(&e->knocked, true)) return; /* the engine has not seen the last knock yet */
    u64 one = 1;
    if (write(e->knock_fd, &one, sizeof one) < 0) TUX_ASSERT(errno == EAGAIN || errno == EINTR);
}

struct tux_command *tux_control_new(struct tux_engine *e, enum tux_command_kind kind)
{
    struct tux_command *command = calloc(1, sizeof *command);
    if (!command) {
        pthread_mutex_lock(&e->lock);
        command = e->reserve;
        if (command) e->reserve = command->next;
        pthread_mutex_unlock(&e->lock);
    }
    if (command) *command = (struct tux_command){.kind = kind};
    return command;
}

void tux_control_post(struct tux_engine *e, struct tux_command *command)
{
    command->next = NULL;
    pthread_mutex_lock(&e->lock);
    bool held = e->holding;
    struct tux_command ***tail = held ? &e->held_tail : &e->commands_tail;
    **tail = command;
    *tail = &command->next;
    pthread_mutex_unlock(&e->lock);
    if (!held) tux_control_knock(e);
}

static void hold(struct tux_engine *e, bool holding)
{
    e->holding = holding;
    e->held = NULL;
    e->held_tail = &e->held;
}

void tux_control_hold(struct tux_engine *e)
{
    pthread_mutex_lock(&e->lock);
    TUX_ASSERT(!e->holding);
    hold(e, true);
    pthread_mutex_unlock(&e->lock);
}

void tux_control_release(struct tux_engine *e)
{
    pthread_mutex_lock(&e->lock);
    if (e->held) {
        *e->commands_tail = e->held;
        e->commands_tail = e->held_tail;
    }
    hold(e, false);
    pthread_mutex_unlock(&e->lock);
    tux_control_knock(e);
}

void tux_control_drop(struct tux_engine *e)
{
    pthread_mutex_lock(&e->lock);
    struct tux_command *dropped = e->held;
    hold(e, false);
    pthread_mutex_unlock(&e->lock);
    for (struct tux_command *next; dropped; dropped = next) {
        next = dropped->next;
        if (dropped->kind == TUX_COMMAND_SUBMIT) tux_completions_release(&e->completions, dropped->copies);
        tux_control_free(e, dropped);
    }
}

struct tux_command *tux_control_take(struct tux_engine *e)
{
    pthread_mutex_lock(&e->lock);
    struct tux_command *command = e->commands;
    if (command) {
        e->commands = command->next;
        if (!e->commands) e->commands_tail = &e->commands;
    }
    pthread_mutex_unlock(&e->lock);
    return command;
}

void tux_control_free(struct tux_engine *e, struct tux_command *command)
{
    for (struct tux_record *record = command->records, *next; record; record = next) {
        next = record->next;
        tux_record_free(record);
    }
    if (command->load) command->drop(command->load);
    if (command < e->reserved || command >= e->reserved + TUX_RESERVED_COMMANDS) {
        free(command);
        return;
    }
    pthread_mutex_lock(&e->lock);
    command->next = e->reserve;
    e->reserve = command;
    pthread_mutex_unlock(&e->lock);
}
