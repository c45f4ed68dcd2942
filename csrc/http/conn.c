/* conn.c: the memory of a connection: kept input, and references to give back. */
#include "http/conn.h"

void tux_conn_forget_repeat(struct tux_conn *conn, struct tux_metrics *metrics)
{
    if (conn->repeat) tux_response_drop(conn->repeat, metrics);
    conn->repeat = NULL;
}

void tux_conn_reset(struct tux_conn *conn, struct tux_metrics *metrics)
{
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
