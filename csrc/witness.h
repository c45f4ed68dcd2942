/* floor 1 · witness.h: what must still be found at a name for an answer to hold. */
#ifndef TUX_WITNESS_H
#define TUX_WITNESS_H

#include "base.h"

struct tux_witness {
    int root_fd;
    char *path;
    struct tux_witness_facts facts;
};

/* For a worker: is what the judge has seen there what is there now, on the way that the judge may go? */
bool tux_witness_holds(const struct tux_witness *witness);

#endif
