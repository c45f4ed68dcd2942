/* witness.h: a fact that a cached answer depends on: the file at a name, or that the name is absent. */
#ifndef TUX_WITNESS_H
#define TUX_WITNESS_H

#include "base/base.h"

struct tux_witness {
    int root_fd;
    char *path;
    struct tux_witness_facts facts;
};

/* Where names are, by their file system: only a worker may ask at a FAR place, a MEMORY one has no disk to wait for. */
enum tux_place_kind { TUX_PLACE_UNKNOWN, TUX_PLACE_DISK, TUX_PLACE_MEMORY, TUX_PLACE_FAR };

/* OTHER: another file is there now. UNSEEN: finding out would have to wait. */
enum tux_sight { TUX_SAME, TUX_OTHER, TUX_UNSEEN };

/* The place by `f_type` of statfs(2). */
enum tux_place_kind tux_place_of_type(u64 type);
/* The place of the root of a name, and of the file at the name. May block. */
enum tux_place_kind tux_witness_place(const struct tux_witness *witness);
/* The device of the root that the name is beneath. Never asks a network. */
u64 tux_witness_root_dev(const struct tux_witness *witness);
/* The same as `holds` below, but it waits for no disk. `in_memory`: the file system has no disk. */
enum tux_sight tux_witness_look(const struct tux_witness *witness, bool in_memory);
/* For a worker: is the same file still at the name, looked up as the judge may look it up? */
bool tux_witness_holds(const struct tux_witness *witness);

#endif
