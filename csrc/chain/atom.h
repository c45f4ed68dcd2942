/* atom.h: what a chain is made of, exactly as it arrives in bytes (native byte order).
 *
 * The six fields of the 2007 struct syslet_uatom are all here (flags, call, ret, next, args, private), but where it had
 * addresses this has cell numbers: a chain can be checked, stored and sent, and has no pointer to get wrong. */
#ifndef TUX_ATOM_H
#define TUX_ATOM_H

#include "base/base.h"

#define TUX_CHAIN_MAGIC 0x31585554u /* "TUX1" */

enum { /* the flags of 2007, names and values kept */
    SYSLET_ASYNC = 0x01,
    SYSLET_SYNC = 0x02,
    SYSLET_NO_COMPLETE = 0x04,
    SYSLET_STOP_ON_NONZERO = 0x08,
    SYSLET_STOP_ON_ZERO = 0x10,
    SYSLET_STOP_ON_NEGATIVE = 0x20,
    SYSLET_STOP_ON_NON_POSITIVE = 0x40,
    SYSLET_SKIP_TO_NEXT_ON_STOP = 0x80,
    SYSLET_FLAGS_ALL = 0xFF,
};

enum tux_cell_kind { TUX_INT, TUX_CONST, TUX_FD, TUX_DATA, TUX_BUFFER, TUX_SHARED, TUX_KINDS };
#define TUX_CELL_PARAM 0x01u

enum tux_call {
#define CALL(number, name, kinds, waits, returns) TUX_CALL_##name = number,
#include "chain/calls.def"
#undef CALL
};

struct tux_chain_header {
    u32 magic;
    u16 atoms, cells;
    u32 data_bytes, budget;
    u32 reserved[4];
};

struct tux_cell {
    u8 kind, mode;
    u16 reserved;
    u32 size;
    i64 value;
};

struct tux_atom {
    u16 call, flags, ret, next;
    u16 args[TUX_ARGS_MAX];
    u32 reserved;
};

_Static_assert(sizeof(struct tux_chain_header) == 32, "the header is 32 bytes on the wire");
_Static_assert(sizeof(struct tux_cell) == 16, "a cell is 16 bytes on the wire");
_Static_assert(sizeof(struct tux_atom) == 24, "an atom is 24 bytes on the wire");

/* The condition flags of an atom that hold for its result; 0 when the chain goes on to `next`. */
static inline u16 tux_stop_conditions(u16 flags, i64 result)
{
    u16 held = 0;
    if (result != 0) held |= SYSLET_STOP_ON_NONZERO;
    if (result == 0) held |= SYSLET_STOP_ON_ZERO;
    if (result < 0) held |= SYSLET_STOP_ON_NEGATIVE;
    if (result <= 0) held |= SYSLET_STOP_ON_NON_POSITIVE;
    return flags & held;
}

#endif
