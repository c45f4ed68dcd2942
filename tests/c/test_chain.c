/* test_chain.c: the checker against an enemy: what it refuses, and that what it lets through can be run blindly. */
#include "draft.h"

static struct check_guard guard;

/* The bytes stand against the guard, so that a checker that trusts a number is stopped at once. */
static int load(const u8 *bytes, size_t length, struct tux_chain **out, char *error)
{
    error[0] = 0;
    return tux_chain_load(check_guard_put(&guard, bytes, length), length, draft_all_calls(), out, error);
}

static void refused(const struct draft *d, const char *sentence)
{
    u8 bytes[DRAFT_BYTES_MAX];
    char error[TUX_ERROR_BYTES];
    struct tux_chain *chain = NULL;
    int failed = load(bytes, draft_encode(d, bytes), &chain, error);
    CHECK_TEXT(error, sentence);
    CHECK_EQ(failed, -EINVAL);
    CHECK(chain == NULL);
}

/* --- what must hold of every accepted chain, whoever sent it ----------------------------------------------------- */

static bool memory_is_inside(const struct tux_chain *chain, const struct tux_cell *cell)
{
    u64 room = cell->kind == TUX_DATA ? chain->data_bytes : chain->buffer_bytes;
    return cell->value >= 0 && (u64)cell->value <= room && cell->size <= room - (u64)cell->value;
}

static void cells_are_sound(const struct tux_chain *chain)
{
    u64 end_of_last = 0;
    for (unsigned i = 0; i < chain->cells; i++) {
        const struct tux_cell *cell = &chain->cell[i];
        CHECK(cell->kind < TUX_KINDS);
        CHECK(cell->mode <= TUX_CELL_PARAM);
        if (cell->mode) CHECK(cell->kind == TUX_INT || cell->kind == TUX_CONST || cell->kind == TUX_FD);
        if (cell->kind == TUX_FD) CHECK_EQ(cell->value, -1);
        if (cell->kind == TUX_SHARED) CHECK(cell->value >= 0 && cell->value < TUX_SHARED_MAX);
        if (cell->kind == TUX_DATA || cell->kind == TUX_BUFFER) CHECK(memory_is_inside(chain, cell));
        else CHECK_EQ(cell->size, 0);
        if (cell->kind != TUX_BUFFER) continue;
        CHECK((u64)cell->value >= end_of_last); /* no two buffers share a byte */
        end_of_last = (u64)cell->value + cell->size;
    }
    CHECK(chain->buffer_bytes <= TUX_BUFFER_BYTES_MAX);
}

static bool argument_fits(const struct tux_chain *chain, char kind, u16 number)
{
    static const char *const wanted[TUX_KINDS] = {[TUX_INT] = "finc", [TUX_CONST] = "fin", [TUX_FD] = "fF",
                                                  [TUX_DATA] = "rz", [TUX_BUFFER] = "rw", [TUX_SHARED] = "c"};
    if (number >= chain->cells || !strchr(wanted[chain->cell[number].kind], kind)) return false;
    const struct tux_cell *cell = &chain->cell[number];
    return kind != 'z' || memchr(chain->data + cell->value, 0, cell->size) != NULL;
}

static void atoms_are_sound(const struct tux_chain *chain)
{
    for (unsigned i = 0; i < chain->atoms; i++) {
        const struct tux_atom *atom = &chain->atom[i];
        const char *kinds = tux_call_kinds(atom->call);
        CHECK(tux_call_name(atom->call) != NULL);
        CHECK(atom->next == TUX_NONE16 || atom->next < chain->atoms);
        CHECK(atom->flags <= SYSLET_FLAGS_ALL);
        if (atom->flags & SYSLET_SKIP_TO_NEXT_ON_STOP) CHECK(i + 1 < chain->atoms);
        for (unsigned a = 0; kinds[a]; a++) CHECK(argument_fits(chain, kinds[a], atom->args[a]));
        if (atom->ret == TUX_NONE16) continue;
        CHECK(atom->ret < chain->cells);
        CHECK(chain->cell[atom->ret].kind == TUX_INT || chain->cell[atom->ret].kind == TUX_FD);
    }
}

/* Whom can an atom reach before anybody waits? Spread until nothing changes; nobody may reach himself. */
static void loops_wait(const struct tux_chain *chain)
{
    u64 reach[TUX_ATOMS_MAX] = {0};
    for (bool changed = true; changed;) {
        changed = false;
        for (unsigned i = 0; i < chain->atoms; i++) {
            const struct tux_atom *atom = &chain->atom[i];
            u64 before = reach[i];
            if (tux_call_waits(atom->call)) continue;
            if (atom->next != TUX_NONE16) reach[i] |= 1ull << atom->next | reach[atom->next];
            if (atom->flags & SYSLET_SKIP_TO_NEXT_ON_STOP) reach[i] |= 1ull << (i + 1) | reach[i + 1];
            changed |= reach[i] != before;
        }
    }
    for (unsigned i = 0; i < chain->atoms; i++) CHECK(!(reach[i] >> i & 1));
}

static void is_sound(const struct tux_chain *chain)
{
    CHECK(chain->atoms > 0 && chain->atoms <= TUX_ATOMS_MAX);
    CHECK(chain->cells <= TUX_CELLS_MAX);
    CHECK(chain->data_bytes <= TUX_DATA_BYTES_MAX);
    CHECK_EQ(chain->data[chain->data_bytes], 0);
    cells_are_sound(chain);
    atoms_are_sound(chain);
    if (chain->budget == 0) loops_wait(chain);
}

/* --- two right chains, which have every kind of cell and argument between them ----------------------------------- */

/* The life cycle of a connection; cells: listener, flags, connection, one, on, four, head, decision, counter, minus. */
static struct draft lifecycle(void)
{
    struct draft d = draft_new();
    int on_value = 1;
    u16 listener = draft_param(&d), flags = draft_const(&d, 0), connection = draft_fd(&d), one = draft_const(&d, 1);
    u16 on = draft_data(&d, &on_value, sizeof on_value), four = draft_const(&d, 4), head = draft_int(&d, 0);
    u16 decision = draft_int(&d, 0), counter = draft_cell(&d, TUX_SHARED, 0), minus = draft_const(&d, -1);
    u16 leave = SYSLET_STOP_ON_NON_POSITIVE | SYSLET_SKIP_TO_NEXT_ON_STOP;
    DRAFT_ATOM(&d, accept4, SYSLET_STOP_ON_NEGATIVE, connection, 1, listener, flags);
    DRAFT_ATOM(&d, setsockopt, SYSLET_STOP_ON_NEGATIVE, TUX_NONE16, 2, connection, one, one, on, four);
    DRAFT_ATOM(&d, recv_head, SYSLET_STOP_ON_NON_POSITIVE, head, 3, connection);
    DRAFT_ATOM(&d, decide, SYSLET_STOP_ON_NON_POSITIVE, decision, 4, head);
    DRAFT_ATOM(&d, respond, leave, TUX_NONE16, 2, connection, decision);
    DRAFT_ATOM(&d, close, 0, TUX_NONE16, 6, connection);
    DRAFT_ATOM(&d, umem_add, SYSLET_STOP_ON_NON_POSITIVE, TUX_NONE16, 0, counter, minus);
    return d;
}

/* Copies a file to its end; cells: at, path, how, how_bytes, file, buffer, size, got, out, spare. */
static struct draft copy_file(void)
{
    struct draft d = draft_new();
    u64 how_value[3] = {0};
    u16 at = draft_const(&d, -100), path = draft_data(&d, "name", 5), how = draft_data(&d, how_value, sizeof how_value);
    u16 how_bytes = draft_const(&d, sizeof how_value), file = draft_fd(&d), buffer = draft_buffer(&d, 100);
    u16 size = draft_int(&d, 100), got = draft_int(&d, 0), out = draft_param(&d), spare = draft_buffer(&d, 33);
    DRAFT_ATOM(&d, openat2, SYSLET_STOP_ON_NEGATIVE | SYSLET_ASYNC, file, 1, at, path, how, how_bytes);
    DRAFT_ATOM(&d, pread, SYSLET_STOP_ON_NON_POSITIVE, got, 2, file, spare, size, got);
    DRAFT_ATOM(&d, write, SYSLET_STOP_ON_NEGATIVE, TUX_NONE16, 1, out, buffer, got);
    d.header.budget = 1000;
    return d;
}

static void right_chains_are_accepted(void)
{
    struct draft drafts[] = {lifecycle(), copy_file()};
    for (size_t i = 0; i < TUX_COUNT(drafts); i++) {
        struct tux_chain *chain = draft_load(&drafts[i]);
        is_sound(chain);
        CHECK_EQ(chain->atoms, drafts[i].header.atoms);
        CHECK(memcmp(chain->data, drafts[i].data, chain->data_bytes) == 0);
        tux_chain_free(chain);
    }
    struct tux_chain *chain = draft_load(&drafts[1]);
    CHECK_EQ(chain->cell[5].value, 0);
    CHECK_EQ(chain->cell[9].value, 112); /* buffers stand behind each other, each at a multiple of 16 */
    CHECK_EQ(chain->buffer_bytes, 112 + 48);
    tux_chain_free(chain);
}

/* --- every refusal, once, with its sentence ---------------------------------------------------------------------- */

/* Change one field of a draft, see it refused, and put the field back. */
#define REFUSED(field, value, sentence)           \
    do {                                          \
        __typeof__(field) before_ = (field);      \
        (field) = (__typeof__(field))(value);     \
        refused(&d, sentence);                    \
        (field) = before_;                        \
    } while (0)

static void headers_are_refused(void)
{
    struct draft d = copy_file();
    REFUSED(d.header.magic, 0x32585554, "not a chain (bad magic)");
    REFUSED(d.header.atoms, 0, "a chain has 1 to 64 atoms");
    REFUSED(d.header.atoms, 65, "a chain has 1 to 64 atoms");
    REFUSED(d.header.cells, 65, "a chain has at most 64 cells");
    for (unsigned i = 0; i < TUX_COUNT(d.header.reserved); i++)
        REFUSED(d.header.reserved[i], 1, "reserved header fields must be zero");
    u8 bytes[DRAFT_BYTES_MAX];
    size_t whole = draft_encode(&d, bytes);
    struct tux_chain *chain = NULL;
    char error[TUX_ERROR_BYTES];
    u32 too_much = TUX_DATA_BYTES_MAX + 1;
    memcpy(bytes + offsetof(struct tux_chain_header, data_bytes), &too_much, sizeof too_much);
    CHECK_EQ(load(bytes, whole, &chain, error), -EINVAL);
    CHECK_TEXT(error, "a chain has at most 1048576 bytes of data");
}

static void wrong_lengths_are_refused(void)
{
    struct draft d = lifecycle();
    u8 bytes[DRAFT_BYTES_MAX + 1] = {0};
    size_t whole = draft_encode(&d, bytes);
    struct tux_chain *chain = NULL;
    char error[TUX_ERROR_BYTES];
    for (size_t length = 0; length <= whole + 1; length++) {
        if (length == whole) continue;
        CHECK_EQ(load(bytes, length, &chain, error), -EINVAL);
        CHECK_TEXT(error, length < 32 ? "shorter than a chain's header" : "length does not fit the header");
    }
}

static void cells_are_refused(void)
{
    struct draft d = copy_file();
    REFUSED(d.cell[0].kind, TUX_KINDS, "cell 0: unknown kind or mode");
    REFUSED(d.cell[0].mode, 2, "cell 0: unknown kind or mode");
    REFUSED(d.cell[0].reserved, 1, "cell 0: unknown kind or mode");
    static const u8 numbers[] = {0, 4, 7, 8};
    for (size_t i = 0; i < TUX_COUNT(numbers); i++) {
        char sentence[TUX_ERROR_BYTES];
        snprintf(sentence, sizeof sentence, "cell %u: only memory has a size", numbers[i]);
        REFUSED(d.cell[numbers[i]].size, 1, sentence);
    }
    REFUSED(d.cell[1].mode, 1, "cell 1: only a number can be given at submit");
    REFUSED(d.cell[4].value, 2, "cell 4: an owned descriptor starts as -1");
    REFUSED(d.cell[1].value, -1, "cell 1: points outside the chain's data");
    REFUSED(d.cell[1].value, d.header.data_bytes + 1, "cell 1: points outside the chain's data");
    REFUSED(d.cell[1].value, d.header.data_bytes - 4, "cell 1: points outside the chain's data");
    REFUSED(d.cell[1].size, UINT32_MAX, "cell 1: points outside the chain's data");
    CHECK(d.cell[2].kind == TUX_DATA && d.cell[2].value == (i64)d.cell[1].size);
    const char *overlaps = "cell 2: overlaps the data of the cells before it, or is not in their order";
    REFUSED(d.cell[2].value, 0, overlaps); /* the very same */
    REFUSED(d.cell[2].value, d.cell[1].size - 1, overlaps); /* the last byte of the one before, which ends its path */
    REFUSED(d.cell[1].size, d.cell[1].size + 1, overlaps);
    REFUSED(d.cell[5].value, 16, "cell 5: a buffer has 1 to 1048576 bytes");
    REFUSED(d.cell[5].size, 0, "cell 5: a buffer has 1 to 1048576 bytes");
    REFUSED(d.cell[5].size, TUX_BUFFER_BYTES_MAX + 1, "cell 5: a buffer has 1 to 1048576 bytes");
    REFUSED(d.cell[5].size, TUX_BUFFER_BYTES_MAX, "cell 9: the chain's buffers are larger than allowed");
    struct tux_cell shared = {.kind = TUX_SHARED, .value = TUX_SHARED_MAX};
    REFUSED(d.cell[7], shared, "cell 7: no such shared cell");
    shared.value = -1;
    REFUSED(d.cell[7], shared, "cell 7: no such shared cell");
}

static void atoms_are_refused(void)
{
    struct draft d = copy_file();
    REFUSED(d.atom[0].call, 64, "atom 0: call 64 is not on the white list of this engine");
    REFUSED(d.atom[0].call, 63, "atom 0: call 63 is not on the white list of this engine");
    REFUSED(d.atom[0].flags, 0x100, "atom 0: unknown flags");
    REFUSED(d.atom[0].reserved, 1, "atom 0: unknown flags");
    REFUSED(d.atom[0].flags, SYSLET_ASYNC | SYSLET_SYNC, "atom 0: ASYNC and SYNC exclude each other");
    REFUSED(d.atom[0].next, 3, "atom 0: next points outside the chain");
    REFUSED(d.atom[2].flags, SYSLET_SKIP_TO_NEXT_ON_STOP, "atom 2: nothing to skip to behind the last atom");
    REFUSED(d.atom[0].args[4], 0, "atom 0: openat2 takes 4 arguments");
    REFUSED(d.atom[2].args[0], 10, "atom 2: argument 0 of write is not a cell of the right kind");
    REFUSED(d.atom[2].args[0], TUX_NONE16, "atom 2: argument 0 of write is not a cell of the right kind");
    REFUSED(d.atom[2].ret, 10, "atom 2: its result cell does not exist");
    REFUSED(d.atom[2].ret, 0, "atom 2: the result of write does not fit its cell");
    REFUSED(d.atom[2].ret, 4, "atom 2: the result of write does not fit its cell");
    REFUSED(d.atom[0].ret, 7, "atom 0: the result of openat2 does not fit its cell");
    REFUSED(d.atom[0].ret, TUX_NONE16, "atom 0: openat2 makes a descriptor and needs an FD cell to own it");
}

/* Each kind of argument, with every kind of cell that it is not. */
static void arguments_of_a_wrong_kind_are_refused(void)
{
    struct draft d = copy_file();
    static const u16 no_descriptor[] = {1, 5}, no_memory[] = {0, 4, 6}, no_number[] = {1, 4, 5};
    for (size_t i = 0; i < TUX_COUNT(no_descriptor); i++)
        REFUSED(d.atom[0].args[0], no_descriptor[i], "atom 0: argument 0 of openat2 is not a cell of the right kind");
    for (size_t i = 0; i < TUX_COUNT(no_memory); i++)
        REFUSED(d.atom[2].args[1], no_memory[i], "atom 2: argument 1 of write is not a cell of the right kind");
    for (size_t i = 0; i < TUX_COUNT(no_number); i++)
        REFUSED(d.atom[2].args[2], no_number[i], "atom 2: argument 2 of write is not a cell of the right kind");
    REFUSED(d.atom[1].args[1], 1, "atom 1: argument 1 of pread is not a cell of the right kind");
    REFUSED(d.atom[0].args[1], 5, "atom 0: argument 1 of openat2 is not a cell of the right kind");
    REFUSED(d.data[4], 'x', "atom 0: argument 1 of openat2 is not a cell of the right kind");
    REFUSED(d.cell[1].size, 0, "atom 0: argument 1 of openat2 is not a cell of the right kind");
    d = lifecycle();
    REFUSED(d.atom[5].args[0], 0, "atom 5: argument 0 of close is not a cell of the right kind");
    REFUSED(d.atom[6].args[0], 9, "atom 6: argument 0 of umem_add is not a cell of the right kind");
    REFUSED(d.atom[3].args[0], 8, "atom 3: argument 0 of decide is not a cell of the right kind");
}

static void endless_loops_need_a_budget(void)
{
    struct draft d = draft_new();
    u16 counter = draft_int(&d, 0), one = draft_const(&d, 1);
    DRAFT_ATOM(&d, getpid, 0, TUX_NONE16, 1, );
    DRAFT_ATOM(&d, umem_add, SYSLET_STOP_ON_ZERO | SYSLET_SKIP_TO_NEXT_ON_STOP, TUX_NONE16, TUX_NONE16, counter, one);
    DRAFT_ATOM(&d, getpid, 0, TUX_NONE16, TUX_NONE16, );
    tux_chain_free(draft_load(&d));
    REFUSED(d.atom[1].next, 1, "atom 0: an endless loop needs a step budget");
    REFUSED(d.atom[1].next, 0, "atom 0: an endless loop needs a step budget");
    REFUSED(d.atom[2].next, 2, "atom 0: an endless loop needs a step budget"); /* reached by SKIP alone */
    REFUSED(d.atom[2].next, 1, "atom 0: an endless loop needs a step budget");
    d.atom[2].next = 1;
    d.header.budget = 1;
    tux_chain_free(draft_load(&d));
}

static void an_engine_may_allow_less(void)
{
    struct draft d = lifecycle();
    u8 bytes[DRAFT_BYTES_MAX];
    char error[TUX_ERROR_BYTES];
    struct tux_chain *chain = NULL;
    bool some[TUX_CALLS_MAX] = {[TUX_CALL_accept4] = true, [TUX_CALL_setsockopt] = true};
    CHECK_EQ(tux_chain_load(bytes, draft_encode(&d, bytes), some, &chain, error), -EINVAL);
    CHECK_TEXT(error, "atom 2: call 32 is not on the white list of this engine");
}

static void the_white_list_can_be_read(void)
{
    CHECK_TEXT(tux_call_name(TUX_CALL_send), "send");
    CHECK_TEXT(tux_call_kinds(TUX_CALL_send), "frni");
    CHECK(tux_call_name(47) == NULL && tux_call_kinds(47) == NULL);
    CHECK(tux_call_name(TUX_CALLS_MAX) == NULL && tux_call_kinds(UINT32_MAX) == NULL && !tux_call_waits(UINT32_MAX));
}

/* --- an enemy ---------------------------------------------------------------------------------------------------- */

/* A field of 1, 2, 4 or 8 bytes gets a number near a limit, near what it was, or any. */
static void mutate(u8 *bytes, size_t length, u64 *seed)
{
    static const u64 notable[] = {0,  1,  2,   3,      5,        9,          15,         16,
                                  63, 64, 255, 0xFFFF, 1u << 20, UINT32_MAX, 1ull << 63, UINT64_MAX};
    size_t width = (size_t)1 << check_below(seed, 4), at = check_below(seed, length / width) * width;
    u64 value = 0;
    memcpy(&value, bytes + at, width);
    switch (check_below(seed, 4)) {
    case 0: value = check_random(seed); break;
    case 1: value += check_below(seed, 5) - 2u; break;
    default: value = notable[check_below(seed, TUX_COUNT(notable))];
    }
    memcpy(bytes + at, &value, width);
}

static u32 attack(const u8 *start, size_t whole, u32 rounds, u64 *seed)
{
    u32 accepted = 0;
    for (u32 round = 0; round < rounds; round++) {
        u8 bytes[DRAFT_BYTES_MAX];
        struct tux_chain *chain = NULL;
        char error[TUX_ERROR_BYTES];
        memcpy(bytes, start, whole);
        for (u32 changes = check_below(seed, 4); changes-- > 0;) mutate(bytes, whole, seed);
        size_t length = check_below(seed, 64) ? whole : check_below(seed, whole + 1);
        int failed = load(bytes, length, &chain, error);
        CHECK_EQ(error[0] == 0, failed == 0);
        CHECK_EQ(chain != NULL, failed == 0);
        if (failed) continue;
        is_sound(chain);
        tux_chain_free(chain);
        accepted++;
    }
    return accepted;
}

static void nothing_unsound_gets_through(void)
{
    struct draft drafts[] = {lifecycle(), copy_file()};
    u64 seed = 2;
    for (size_t i = 0; i < TUX_COUNT(drafts); i++) {
        u8 bytes[DRAFT_BYTES_MAX];
        size_t whole = draft_encode(&drafts[i], bytes);
        u32 accepted = attack(bytes, whole, 150000, &seed);
        CHECK(accepted > 30000); /* a checker that refuses everything would pass, too */
        CHECK(accepted < 120000);
    }
}

int main(void)
{
    guard = check_guard_open(DRAFT_BYTES_MAX + 1);
    right_chains_are_accepted();
    headers_are_refused();
    wrong_lengths_are_refused();
    cells_are_refused();
    atoms_are_refused();
    arguments_of_a_wrong_kind_are_refused();
    endless_loops_need_a_budget();
    an_engine_may_allow_less();
    the_white_list_can_be_read();
    nothing_unsound_gets_through();
    return 0;
}
