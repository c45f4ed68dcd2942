/* chain.c: the checker in C. Python's checker explains; this one distrusts. It reads every field of the bytes once,
 * refuses what it does not know (reserved fields included, so that the format can grow) and never follows a number
 * before it has compared it with its limit. */
#include "chain/chain.h"

struct call_rule {
    const char *name, *kinds;
    bool waits, returns_fd;
};

static const struct call_rule rules[TUX_CALLS_MAX] = {
#define CALL(number, call, kind, wait, returns) [number] = {#call, kind, wait, returns},
#include "chain/calls.def"
#undef CALL
};

const char *tux_call_name(unsigned number) { return number < TUX_CALLS_MAX ? rules[number].name : NULL; }
const char *tux_call_kinds(unsigned number) { return number < TUX_CALLS_MAX ? rules[number].kinds : NULL; }
bool tux_call_waits(unsigned number) { return number < TUX_CALLS_MAX && rules[number].waits; }

static int verify_cells(struct tux_chain *chain, char *error)
{
    u64 buffers = 0, data = 0; /* where the cells before this one end */
    for (unsigned i = 0; i < chain->cells; i++) {
        struct tux_cell *cell = &chain->cell[i];
        if (cell->kind >= TUX_KINDS || cell->reserved != 0 || (cell->mode & ~TUX_CELL_PARAM))
            TUX_REFUSE("cell %u: unknown kind or mode", i);
        if (cell->size != 0 && cell->kind != TUX_DATA && cell->kind != TUX_BUFFER)
            TUX_REFUSE("cell %u: only memory has a size", i);
        if ((cell->mode & TUX_CELL_PARAM) && cell->kind != TUX_INT && cell->kind != TUX_CONST && cell->kind != TUX_FD)
            TUX_REFUSE("cell %u: only a number can be given at submit", i);
        switch (cell->kind) {
        case TUX_FD:
            if (cell->value != -1) TUX_REFUSE("cell %u: an owned descriptor starts as -1", i);
            break;
        case TUX_DATA:
            if (cell->value < 0 || (u64)cell->value > chain->data_bytes ||
                cell->size > chain->data_bytes - (u64)cell->value)
                TUX_REFUSE("cell %u: points outside the chain's data", i);
            if ((u64)cell->value < data) /* new bytes for one cell would change bytes of the other that were checked */
                TUX_REFUSE("cell %u: overlaps the data of the cells before it, or is not in their order", i);
            data = (u64)cell->value + cell->size;
            break;
        case TUX_BUFFER:
            if (cell->value != 0 || cell->size == 0 || cell->size > TUX_BUFFER_BYTES_MAX)
                TUX_REFUSE("cell %u: a buffer has 1 to %u bytes", i, TUX_BUFFER_BYTES_MAX);
            cell->value = (i64)buffers;
            buffers += (cell->size + 15u) & ~15u;
            if (buffers > TUX_BUFFER_BYTES_MAX) TUX_REFUSE("cell %u: the chain's buffers are larger than allowed", i);
            break;
        case TUX_SHARED:
            if (cell->value < 0 || cell->value >= TUX_SHARED_MAX) TUX_REFUSE("cell %u: no such shared cell", i);
            break;
        default:
            break;
        }
    }
    chain->buffer_bytes = (u32)buffers;
    return 0;
}

static bool kind_fits(char wanted, const struct tux_chain *chain, const struct tux_cell *cell)
{
    bool number = cell->kind == TUX_INT || cell->kind == TUX_CONST;
    switch (wanted) {
    case 'f': return number || cell->kind == TUX_FD;
    case 'F': case 'O': return cell->kind == TUX_FD;
    case 'i': case 'n': return number;
    case 'c': return cell->kind == TUX_INT || cell->kind == TUX_SHARED;
    case 'r': return cell->kind == TUX_DATA || cell->kind == TUX_BUFFER;
    case 'w': return cell->kind == TUX_BUFFER;
    case 'z': return cell->kind == TUX_DATA && cell->size > 0 && chain->data[cell->value + cell->size - 1] == 0;
    default: return false;
    }
}

static int verify_atom(struct tux_chain *chain, unsigned i, const bool *calls_allowed, char *error)
{
    const struct tux_atom *atom = &chain->atom[i];
    if (atom->call >= TUX_CALLS_MAX || rules[atom->call].name == NULL || !calls_allowed[atom->call])
        TUX_REFUSE("atom %u: call %u is not on the white list of this engine", i, atom->call);
    const struct call_rule *rule = &rules[atom->call];
    if ((atom->flags & ~SYSLET_FLAGS_ALL) || atom->reserved != 0) TUX_REFUSE("atom %u: unknown flags", i);
    if ((atom->flags & SYSLET_ASYNC) && (atom->flags & SYSLET_SYNC))
        TUX_REFUSE("atom %u: ASYNC and SYNC exclude each other", i);
    if (atom->next != TUX_NONE16 && atom->next >= chain->atoms) TUX_REFUSE("atom %u: next points outside the chain", i);
    if ((atom->flags & SYSLET_SKIP_TO_NEXT_ON_STOP) && i + 1 >= chain->atoms)
        TUX_REFUSE("atom %u: nothing to skip to behind the last atom", i);
    size_t count = strlen(rule->kinds);
    for (unsigned a = 0; a < TUX_ARGS_MAX; a++) {
        if (a >= count) {
            if (atom->args[a] != TUX_NONE16) TUX_REFUSE("atom %u: %s takes %zu arguments", i, rule->name, count);
        } else if (atom->args[a] >= chain->cells || !kind_fits(rule->kinds[a], chain, &chain->cell[atom->args[a]])) {
            TUX_REFUSE("atom %u: argument %u of %s is not a cell of the right kind", i, a, rule->name);
        } else if (rule->kinds[a] == 'z') {
            chain->paths |= (u64)1 << atom->args[a];
        }
    }
    if (atom->ret != TUX_NONE16) {
        if (atom->ret >= chain->cells) TUX_REFUSE("atom %u: its result cell does not exist", i);
        u8 kind = chain->cell[atom->ret].kind;
        if (rule->returns_fd ? kind != TUX_FD : kind != TUX_INT)
            TUX_REFUSE("atom %u: the result of %s does not fit its cell", i, rule->name);
    } else if (rule->returns_fd) {
        TUX_REFUSE("atom %u: %s makes a descriptor and needs an FD cell to own it", i, rule->name);
    }
    return 0;
}

/* A chain without a step budget may only loop where it waits: walk everything reachable from atom `at` without passing
 * a waiting call, and refuse to come back. Depth-first with colours; 64 atoms bound the recursion. */
static bool loops_without_waiting(const struct tux_chain *chain, unsigned at, u8 *colour)
{
    const struct tux_atom *atom = &chain->atom[at];
    if (colour[at] == 1) return true;
    if (colour[at] == 2 || rules[atom->call].waits) return false;
    colour[at] = 1;
    bool loops = atom->next != TUX_NONE16 && loops_without_waiting(chain, atom->next, colour);
    if (!loops && (atom->flags & SYSLET_SKIP_TO_NEXT_ON_STOP)) loops = loops_without_waiting(chain, at + 1, colour);
    colour[at] = 2;
    return loops;
}

/* FD cells that may hold a socket: params, and those that another call than openat2 fills. */
static u64 sockets_of(const struct tux_chain *chain)
{
    u64 found = 0;
    for (unsigned i = 0; i < chain->cells; i++)
        if (chain->cell[i].kind == TUX_FD && (chain->cell[i].mode & TUX_CELL_PARAM)) found |= (u64)1 << i;
    for (unsigned i = 0; i < chain->atoms; i++) {
        const struct tux_atom *atom = &chain->atom[i];
        if (atom->call == TUX_CALL_recv_head) return 0;
        if (rules[atom->call].returns_fd && atom->call != TUX_CALL_openat2) found |= (u64)1 << atom->ret;
    }
    return found;
}

static int verify(struct tux_chain *chain, const bool *calls_allowed, char *error)
{
    int failed = verify_cells(chain, error);
    for (unsigned i = 0; !failed && i < chain->atoms; i++) failed = verify_atom(chain, i, calls_allowed, error);
    if (failed) return failed;
    u8 colour[TUX_ATOMS_MAX] = {0};
    for (unsigned i = 0; i < chain->atoms && chain->budget == 0; i++)
        if (loops_without_waiting(chain, i, colour)) TUX_REFUSE("atom %u: an endless loop needs a step budget", i);
    chain->sockets = sockets_of(chain);
    return 0;
}

int tux_chain_load(const u8 *bytes, size_t length, const bool calls_allowed[TUX_CALLS_MAX], struct tux_chain **out,
                   char error[TUX_ERROR_BYTES])
{
    struct tux_chain_header header;
    if (length < sizeof header) TUX_REFUSE("shorter than a chain's header");
    memcpy(&header, bytes, sizeof header);
    if (header.magic != TUX_CHAIN_MAGIC) TUX_REFUSE("not a chain (bad magic)");
    if (header.atoms == 0 || header.atoms > TUX_ATOMS_MAX) TUX_REFUSE("a chain has 1 to %d atoms", TUX_ATOMS_MAX);
    if (header.cells > TUX_CELLS_MAX) TUX_REFUSE("a chain has at most %d cells", TUX_CELLS_MAX);
    if (header.data_bytes > TUX_DATA_BYTES_MAX) TUX_REFUSE("a chain has at most %u bytes of data", TUX_DATA_BYTES_MAX);
    for (unsigned i = 0; i < TUX_COUNT(header.reserved); i++)
        if (header.reserved[i] != 0) TUX_REFUSE("reserved header fields must be zero");
    size_t cell_bytes = header.cells * sizeof(struct tux_cell), atom_bytes = header.atoms * sizeof(struct tux_atom);
    if (length != sizeof header + cell_bytes + atom_bytes + header.data_bytes)
        TUX_REFUSE("length does not fit the header");

    struct tux_chain *chain = calloc(1, sizeof *chain + atom_bytes + cell_bytes);
    u8 *data = malloc(header.data_bytes + 1u);
    if (!chain || !data) {
        free(chain);
        free(data);
        snprintf(error, TUX_ERROR_BYTES, "out of memory");
        return -ENOMEM;
    }
    chain->atoms = header.atoms;
    chain->cells = header.cells;
    chain->data_bytes = header.data_bytes;
    chain->budget = header.budget;
    chain->data = data;
    chain->cell = (struct tux_cell *)(void *)((u8 *)chain->atom + atom_bytes);
    memcpy(chain->cell, bytes + sizeof header, cell_bytes);
    memcpy(chain->atom, bytes + sizeof header + cell_bytes, atom_bytes);
    memcpy(data, bytes + sizeof header + cell_bytes + atom_bytes, header.data_bytes);
    data[header.data_bytes] = 0;
    int failed = verify(chain, calls_allowed, error);
    if (failed) {
        tux_chain_free(chain);
        return failed;
    }
    *out = chain;
    return 0;
}

_Static_assert(TUX_CELLS_MAX <= 64, "paths has a bit for every cell");

void tux_chain_forget(struct tux_chain *chain)
{
    struct tux_pool *pool = atomic_load(&chain->pool);
    if (pool) tux_pool_forget(pool);
}

void tux_chain_free(struct tux_chain *chain)
{
    if (!chain) return;
    tux_pool_close(atomic_load(&chain->pool));
    free(chain->data);
    free(chain);
}
