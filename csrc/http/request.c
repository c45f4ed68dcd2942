/* request.c: the memory of a request's head, and the references that its end gives back. */
#include "http/request.h"

void tux_request_end(struct tux_request *request, struct tux_metrics *metrics)
{
    TUX_ASSERT(!request->asked);
    if (request->blob) tux_blob_drop(request->blob, metrics);
    if (request->chosen) tux_response_drop(request->chosen, metrics);
    request->blob = NULL;
    request->chosen = NULL;
    request->ranged = request->charged = false;
    if (request->head && tux_request_head_is_kept(request)) tux_conn_consume(request->conn, request->head_bytes);
    request->head = NULL;
    request->head_bytes = 0;
    request->miss_flags = 0;
    request->anew = 0;
    request->began_ms = request->began_ns = request->sent = 0;
}

int tux_request_pin_head(struct tux_request *request)
{
    struct tux_conn *conn = request->conn;
    if (tux_request_head_is_kept(request)) return 0;
    TUX_ASSERT(tux_conn_kept(conn) == 0);
    int failed = tux_conn_keep_input(conn, request->head, request->head_bytes);
    if (!failed) request->head = conn->input;
    return failed;
}

void tux_request_remember(const struct tux_request *request, struct tux_response *response,
                          struct tux_metrics *metrics)
{
    struct tux_conn *conn = request->conn;
    if (request->head_bytes > sizeof conn->repeat_head) return;
    if (conn->repeat != response) {
        if (conn->repeat) tux_response_drop(conn->repeat, metrics);
        conn->repeat = response;
        response->refs++;
    }
    memcpy(conn->repeat_head, request->head, request->head_bytes);
    conn->repeat_bytes = (u16)request->head_bytes;
}
