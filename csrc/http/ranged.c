/* ranged.c: heads of ranges, composed; nothing here is shared between two answers. */
#include "http/ranged.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/file_abi.h"

/* --- learning ---------------------------------------------------------------------------------------------------- */

/* Is `text` at `at`, which is not before `from`, with the given bytes in front and behind, all within the head? */
static bool stands_at(const struct tux_blob *head, i64 from, i64 at, const char *front, const u8 *text, size_t bytes,
                      const char *behind)
{
    i64 front_bytes = (i64)strlen(front), behind_bytes = (i64)strlen(behind), end = (i64)head->bytes;
    if (from < 0 || at < from || at - from < front_bytes || at > end || end - at < (i64)bytes + behind_bytes)
        return false;
    const u8 *there = head->data + at;
    return memcmp(there - front_bytes, front, (size_t)front_bytes) == 0 && memcmp(there, text, bytes) == 0 &&
           memcmp(there + bytes, behind, (size_t)behind_bytes) == 0;
}

/* A number argument of an atom, if it is a constant of the chain; no two arguments may share a cell. */
static bool is_plain(const struct tux_chain *chain, u16 cell)
{
    return (chain->cell[cell].kind == TUX_CONST || chain->cell[cell].kind == TUX_INT) &&
           !(chain->cell[cell].mode & TUX_CELL_PARAM);
}

static bool are_apart(const u16 *cells, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        for (unsigned k = 0; k < i; k++)
            if (cells[i] == cells[k]) return false;
    return true;
}

/* send(connection, head, length, MORE), then sendfile(connection, file, offset, count), and nothing else. */
static bool has_the_shape(const struct tux_response *r, struct tux_ranged *found)
{
    const struct tux_chain *chain = r->chain;
    const struct tux_atom *send = &chain->atom[0], *rest = &chain->atom[1];
    if (chain->atoms != 2 || send->call != TUX_CALL_send || rest->call != TUX_CALL_sendfile) return false;
    if (send->flags != SYSLET_STOP_ON_NEGATIVE || rest->flags != SYSLET_STOP_ON_NEGATIVE) return false;
    if (send->next != 1 || rest->next != TUX_NONE16 || send->ret != TUX_NONE16 || rest->ret != TUX_NONE16) return false;
    if (r->file < 0 || send->args[0] != r->connection_cell || rest->args[0] != r->connection_cell ||
        rest->args[1] != r->file_cell)
        return false;
    const u16 filled[] = {send->args[2], send->args[3], rest->args[2], rest->args[3]};
    if (!are_apart(filled, TUX_COUNT(filled))) return false;
    for (unsigned i = 0; i < TUX_COUNT(filled); i++)
        if (!is_plain(chain, filled[i])) return false;
    const struct tux_cell *head = &chain->cell[send->args[1]];
    if (head->kind != TUX_DATA || head->value != 0 || head->size != chain->data_bytes) return false;
    found->data_cell = send->args[1];
    found->length_cell = filled[0];
    found->flags_cell = filled[1];
    found->offset_cell = filled[2];
    found->count_cell = filled[3];
    return true;
}

int tux_ranged_learn(struct tux_response *r, const struct tux_response_options *options, char error[TUX_ERROR_BYTES])
{
    struct tux_ranged found = {.is = true};
    struct tux_chain *chain = r->chain;
    u8 text[TUX_SLICE_TEXT_MAX], behind[TUX_NUMBER_BYTES_MAX + 4];
    if (r->status != 206 || !has_the_shape(r, &found))
        TUX_REFUSE("a response for any range is a 206 of send(head, MORE) and sendfile, each number in its own cell");
    i64 offset = chain->cell[found.offset_cell].value, count = chain->cell[found.count_cell].value;
    if (chain->cell[found.length_cell].value != (i64)chain->data_bytes ||
        chain->cell[found.flags_cell].value != (MSG_NOSIGNAL | MSG_MORE))
        TUX_REFUSE("a response for any range sends all of its head, and more is to come");
    if (offset < 0 || count <= 0 || (u64)offset >= r->file_size || (u64)count > r->file_size - (u64)offset)
        TUX_REFUSE("a response for any range answers one that is in the file");
    const struct tux_slice slice = {(u64)offset, (u64)count};
    i64 from = r->date_at < 0 ? 0 : r->date_at + TUX_DATE_BYTES;
    found.head_bytes = chain->data_bytes;
    found.range_at = (u32)options->range_at;
    found.range_bytes = (u32)tux_slice_text(&slice, text);
    size_t digits = tux_number_text(r->file_size, behind + 1);
    behind[0] = '/';
    memcpy(behind + 1 + digits, "\r\n", 3);
    if (!stands_at(r->blob, from, options->range_at, "\r\nContent-Range: bytes ", text, found.range_bytes,
                   (const char *)behind))
        TUX_REFUSE("the range does not stand where the response says");
    from = options->range_at + (i64)found.range_bytes;
    found.length_at = (u32)options->length_at;
    found.length_bytes = (u32)tux_number_text(slice.count, text);
    if (!stands_at(r->blob, from, options->length_at, "\r\nContent-Length: ", text, found.length_bytes, "\r\n"))
        TUX_REFUSE("the length does not stand where the response says");
    /* The bytes for another slice may be longer; tux_memory checks their length against this size. */
    chain->cell[found.data_cell].size += TUX_RANGED_ROOM + TUX_COPIED_SLICE_BYTES_MAX;
    r->ranged = found;
    return 0;
}

/* --- answering --------------------------------------------------------------------------------------------------- */

/* The head with the numbers of this slice; its length. */
static size_t write_head(const struct tux_response *r, const struct tux_slice *slice, const char *date, u8 *out)
{
    const struct tux_ranged *places = &r->ranged;
    const u8 *head = r->blob->data;
    u32 range_end = places->range_at + places->range_bytes, length_end = places->length_at + places->length_bytes;
    u8 *to = out + places->range_at;
    memcpy(out, head, places->range_at);
    to += tux_slice_text(slice, to);
    memcpy(to, head + range_end, places->length_at - range_end);
    to += places->length_at - range_end;
    to += tux_number_text(slice->count, to);
    memcpy(to, head + length_end, places->head_bytes - length_end);
    if (r->date_at >= 0) memcpy(out + r->date_at, date, TUX_DATE_BYTES);
    return (size_t)(to - out) + places->head_bytes - length_end;
}

/* All of the slice, if the kernel has it in memory: the engine waits for no disk. */
static bool copy_slice(int file, const struct tux_slice *slice, u8 *out)
{
    struct iovec one = {out, slice->count};
    return syscall(SYS_preadv2, file, &one, 1L, (long)slice->offset, 0L, RWF_NOWAIT) == (long)slice->count;
}

struct tux_blob *tux_ranged_blob(const struct tux_response *r, const struct tux_slice *slice, const char *date,
                                 struct tux_metrics *metrics)
{
    TUX_ASSERT(r->ranged.is && slice->count > 0);
    u64 held = atomic_load_explicit(&metrics->copied_bytes, memory_order_relaxed);
    bool small = slice->count <= TUX_COPIED_SLICE_BYTES_MAX && held + slice->count <= TUX_COPIED_BYTES_MAX;
    size_t room = r->ranged.head_bytes + TUX_RANGED_ROOM + (small ? slice->count : 0);
    struct tux_blob *blob = malloc(sizeof *blob + room);
    if (!blob) return NULL;
    *blob = (struct tux_blob){.refs = 1};
    size_t bytes = write_head(r, slice, date, blob->data);
    if (small && copy_slice(r->file, slice, blob->data + bytes)) {
        blob->copied = (u32)slice->count;
        bytes += blob->copied;
        tux_metric_add(&metrics->copied_bytes, (i64)blob->copied);
    }
    TUX_ASSERT(bytes <= room);
    blob->bytes = (u32)bytes;
    tux_metric_add(&metrics->blobs, 1);
    return blob;
}

void tux_ranged_fill(const struct tux_response *r, const struct tux_slice *slice, const struct tux_blob *blob,
                     i64 *cells)
{
    cells[r->ranged.length_cell] = blob->bytes;
    cells[r->ranged.offset_cell] = (i64)slice->offset;
    cells[r->ranged.count_cell] = (i64)(slice->count - blob->copied);
    if (blob->copied) cells[r->ranged.flags_cell] = MSG_NOSIGNAL | MSG_DONTWAIT; /* no sendfile follows */
}
