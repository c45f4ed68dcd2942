/* control.h: commands of other threads to an engine; its own thread performs them, in order. */
#ifndef TUX_CONTROL_H
#define TUX_CONTROL_H

#include "engine/engine.h"

enum tux_command_kind {
    TUX_COMMAND_SUBMIT,
    TUX_COMMAND_CANCEL,
    TUX_COMMAND_DRAIN,
    TUX_COMMAND_SHED,
    TUX_COMMAND_SHARE,
    TUX_COMMAND_PROTOCOL
};

struct tux_command {
    struct tux_command *next;
    enum tux_command_kind kind;
    struct tux_record *records; /* SUBMIT: one for each run */
    u64 cookie; /* SHED, DRAIN: the line; copies say how many runs, deadline_ms how long idle connections may stay */
    u32 copies, deadline_ms; /* SHARE: copies is the index, cookie the value */
    bool shut;
    void (*perform)(struct tux_engine *, struct tux_command *); /* PROTOCOL: performs the command, */
    void *load;           /* ... with this load, */
    void (*drop)(void *); /* ... and frees the load if it is still here afterwards */
};

/* Any thread. An empty command; the engine has a few in reserve for when there is no memory. NULL when all of those are
 * in use. */
struct tux_command *tux_control_new(struct tux_engine *e, enum tux_command_kind kind);
void tux_control_post(struct tux_engine *e, struct tux_command *command);
void tux_control_knock(struct tux_engine *e);
/* Commands posted from now on are held, until all of them are posted at once (which cannot fail) or dropped. */
void tux_control_hold(struct tux_engine *e);
void tux_control_release(struct tux_engine *e);
void tux_control_drop(struct tux_engine *e);
/* The engine's thread: the oldest command, which the caller frees; NULL when there is none. */
struct tux_command *tux_control_take(struct tux_engine *e);
void tux_control_free(struct tux_engine *e, struct tux_command *command);

#endif
