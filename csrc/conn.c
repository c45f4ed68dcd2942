/* conn.c: the memory of a connection: input that must be kept, references that must be given back. */
#include "conn.h"

void tux_conn_end_request(struct tux_conn *conn, struct tux_metrics *metrics)
{
    TUX_ASSERT(!conn->asked);
    if (conn->blob) tux_blob_drop(conn->blob, metrics);
    if (conn->chosen) tux_response_drop(conn->chosen, metrics);
    conn->blob = NULL;
    conn->chosen = NULL;
    conn->ranged = conn->charged = false;
    if (conn->head && tux_conn_head_is_kept(conn)) tux_conn_consume(conn, conn->head_bytes);
    conn->head = NULL;
    conn->head_bytes = 0;
    conn->miss_flags = 0;
    conn->anew = 0;
    conn->began_ms = conn->began_ns = conn->sent = 0;
}

void tux_conn_forget_repeat(struct tux_conn *conn, struct tux_metrics *metrics)
{
    if (conn->repeat) tux_response_drop(conn->repeat, metrics);
    conn->repeat = NULL;
}

void tux_conn_reset(struct tux_conn *conn, struct tux_metrics *metrics)
{
    tux_conn_end_request(conn, metrics);
    tux_conn_forget_repeat(conn, metrics);
    if (conn->client) tux_client_leave(conn->client);
    free(conn->input);
    /* all but the bytes of the repeat, which mean nothing without their length */
    memset(conn, 0, offsetof(struct tux_conn, repeat_head));
    conn->fd = -1;
}

int tux_conn_keep_input(struct tux_conn *conn, const u8 *bytes, size_t length)
{
    if (conn->input_at > 0) {
        memmove(conn->input, conn->input + conn->input_at, tux_conn_kept(conn));
        conn->input_used -= conn->input_at;
        conn->input_at = 0;
    }
    if (conn->input_used + length > conn->input_room) {
        size_t room = 1024;
        while (room < conn->input_used + length) room *= 2;
        TUX_ASSERT(room <= 4 * (TUX_HEAD_BYTES_MAX + TUX_SCRATCH_BYTES));
        u8 *input = realloc(conn->input, room);
        if (!input) return -ENOMEM;
        conn->input = input;
        conn->input_room = (u32)room;
    }
    memcpy(conn->input + conn->input_used, bytes, length);
    conn->input_used += (u32)length;
    return 0;
}

void tux_conn_consume(struct tux_conn *conn, u32 count)
{
    TUX_ASSERT(count <= tux_conn_kept(conn));
    conn->input_at += count;
    conn->searched = 0;
    if (conn->input_at < conn->input_used) return;
    free(conn->input);
    conn->input = NULL;
    conn->input_room = conn->input_at = conn->input_used = 0;
}

int tux_conn_pin_head(struct tux_conn *conn)
{
    if (tux_conn_head_is_kept(conn)) return 0;
    TUX_ASSERT(tux_conn_kept(conn) == 0);
    int failed = tux_conn_keep_input(conn, conn->head, conn->head_bytes);
    if (!failed) conn->head = conn->input;
    return failed;
}

void tux_conn_remember(struct tux_conn *conn, struct tux_response *response, struct tux_metrics *metrics)
{
    if (conn->head_bytes > sizeof conn->repeat_head) return;
    if (conn->repeat != response) {
        if (conn->repeat) tux_response_drop(conn->repeat, metrics);
        conn->repeat = response;
        response->refs++;
    }
    memcpy(conn->repeat_head, conn->head, conn->head_bytes);
    conn->repeat_bytes = (u16)conn->head_bytes;
}
