/* chain.h: bytes in, verified program out. */
#ifndef TUX_CHAIN_H
#define TUX_CHAIN_H

#include "chain/atom.h"
#include "base/pool.h"

/* A frozen chain. Nothing in it changes after tux_chain_load; `data` belongs to the chain until a caller takes it. */
struct tux_chain {
    u16 atoms, cells;
    u32 data_bytes, buffer_bytes, budget;
    u64 paths; /* a bit for each cell: DATA that an atom reads up to its NUL */
    u64 sockets; /* a bit for each cell: FD whose socket may linger; 0 in chains of HTTP, whose sockets do not */
    struct tux_pool *_Atomic pool; /* memory of its runs; NULL before the first run */
    u8 *data;
    struct tux_cell *cell; /* BUFFER cells: value is the offset of the buffer in the run's memory */
    struct tux_atom atom[];
};

#define TUX_ERROR_BYTES 160

/* Verify `bytes` as if an enemy had sent them and make a chain of them. `calls_allowed` says which call numbers exist
 * for this engine. 0 and *out, or -EINVAL / -ENOMEM and one sentence in `error`. */
int tux_chain_load(const u8 *bytes, size_t length, const bool calls_allowed[TUX_CALLS_MAX], struct tux_chain **out,
                   char error[TUX_ERROR_BYTES]);
void tux_chain_free(struct tux_chain *chain);
/* In a child of fork(2): never free the memory of its runs. */
void tux_chain_forget(struct tux_chain *chain);

/* The white list, to be printed or compared with another copy: NULL for a number without a call. */
const char *tux_call_name(unsigned number);
const char *tux_call_kinds(unsigned number);
bool tux_call_waits(unsigned number);

#endif
