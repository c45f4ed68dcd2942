/* draft.h: chains written by hand, as bytes: right ones, and wrong ones that no builder would make. */
#ifndef TUX_DRAFT_H
#define TUX_DRAFT_H

#include "chain/chain.h"
#include "check.h"

struct draft {
    struct tux_chain_header header;
    struct tux_cell cell[TUX_CELLS_MAX + 1];
    struct tux_atom atom[TUX_ATOMS_MAX + 1];
    u8 data[256];
};

#define DRAFT_BYTES_MAX sizeof(struct draft)

static inline struct draft draft_new(void) { return (struct draft){.header.magic = TUX_CHAIN_MAGIC}; }

static inline u16 draft_cell(struct draft *d, u8 kind, i64 value)
{
    d->cell[d->header.cells] = (struct tux_cell){.kind = kind, .value = value};
    return d->header.cells++;
}

static inline u16 draft_int(struct draft *d, i64 value) { return draft_cell(d, TUX_INT, value); }
static inline u16 draft_const(struct draft *d, i64 value) { return draft_cell(d, TUX_CONST, value); }
static inline u16 draft_fd(struct draft *d) { return draft_cell(d, TUX_FD, -1); }

static inline u16 draft_param(struct draft *d)
{
    u16 cell = draft_int(d, 0);
    d->cell[cell].mode = TUX_CELL_PARAM;
    return cell;
}

static inline u16 draft_buffer(struct draft *d, u32 size)
{
    u16 cell = draft_cell(d, TUX_BUFFER, 0);
    d->cell[cell].size = size;
    return cell;
}

static inline u16 draft_data(struct draft *d, const void *bytes, u32 size)
{
    u16 cell = draft_cell(d, TUX_DATA, d->header.data_bytes);
    CHECK(d->header.data_bytes + size <= sizeof d->data);
    if (size > 0) memcpy(d->data + d->header.data_bytes, bytes, size);
    d->cell[cell].size = size;
    d->header.data_bytes += size;
    return cell;
}

/* One atom; as many arguments as the call takes are read from `args`. */
static inline u16 draft_atom(struct draft *d, u16 call, u16 flags, u16 ret, u16 next, const u16 *args)
{
    struct tux_atom *atom = &d->atom[d->header.atoms];
    const char *kinds = tux_call_kinds(call);
    size_t count = kinds ? strlen(kinds) : 0;
    *atom = (struct tux_atom){.call = call, .flags = flags, .ret = ret, .next = next};
    for (unsigned i = 0; i < TUX_ARGS_MAX; i++) atom->args[i] = i < count ? args[i] : TUX_NONE16;
    return d->header.atoms++;
}

#define DRAFT_ATOM(draft, call, flags, ret, next, ...) \
    draft_atom(draft, TUX_CALL_##call, flags, ret, next, (const u16[TUX_ARGS_MAX + 1]){__VA_ARGS__})

/* A response chain: send(connection, data, length, flags), with `bytes` of data. */
static inline struct draft draft_response(const void *data, u32 bytes)
{
    struct draft d = draft_new();
    u16 connection = draft_param(&d), text = draft_data(&d, data, bytes);
    u16 length = draft_const(&d, bytes), flags = draft_const(&d, 0);
    DRAFT_ATOM(&d, send, SYSLET_STOP_ON_NEGATIVE, TUX_NONE16, TUX_NONE16, connection, text, length, flags);
    return d;
}

static inline size_t draft_encode(const struct draft *d, u8 *out)
{
    size_t cell_bytes = d->header.cells * sizeof d->cell[0], atom_bytes = d->header.atoms * sizeof d->atom[0];
    memcpy(out, &d->header, sizeof d->header);
    memcpy(out + sizeof d->header, d->cell, cell_bytes);
    memcpy(out + sizeof d->header + cell_bytes, d->atom, atom_bytes);
    memcpy(out + sizeof d->header + cell_bytes + atom_bytes, d->data, d->header.data_bytes);
    return sizeof d->header + cell_bytes + atom_bytes + d->header.data_bytes;
}

static inline const bool *draft_all_calls(void)
{
    static bool all[TUX_CALLS_MAX];
    for (unsigned i = 0; i < TUX_CALLS_MAX; i++) all[i] = true;
    return all;
}

/* A draft that must be accepted. */
static inline struct tux_chain *draft_load(const struct draft *d)
{
    u8 bytes[DRAFT_BYTES_MAX];
    char error[TUX_ERROR_BYTES] = "";
    struct tux_chain *chain = NULL;
    int failed = tux_chain_load(bytes, draft_encode(d, bytes), draft_all_calls(), &chain, error);
    CHECK_TEXT(error, "");
    CHECK_EQ(failed, 0);
    return chain;
}

#endif
