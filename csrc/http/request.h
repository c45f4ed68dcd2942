/* request.h: the state of one request, from its head to the last byte of its answer.
 *
 * A run refers to the request that it answers, and the request to its connection. With HTTP/1 a connection has one
 * request at a time, so both are indexed by the run's slot; only that table depends on it. */
#ifndef TUX_REQUEST_H
#define TUX_REQUEST_H

#include "http/conn.h"

struct tux_request {
    struct tux_conn *conn; /* the connection that carries it */
    const u8 *head; /* in the connection's input, or where the back-end received it */
    u32 head_bytes;
    u32 miss_flags;
    u32 class_number; /* of the client's address: the connection's, or the one that a trusted proxy names */
    u32 asked_rules;  /* in force when the judge was asked, see `asked` */
    u64 began_ms;     /* when the head was whole */
    u64 began_ns;     /* the same for measure.h; 0 = not yet */
    u64 sent;         /* bytes of its answer, head and all */
    u8 source;        /* of its answer: enum tux_log_source */
    u8 anew;          /* times that it was decided again because its file changed before a byte was sent */
    bool charged;     /* its token has been taken */
    bool asked;       /* a miss is with the judge: the head must stay where it is */
    bool asked_leaving; /* whether the answer was to be the last when it was asked; kept only if that still holds */
    bool ranged;      /* the answer is for `slice`, and `blob` is made for it (ranged.h) */
    u64 asked_ms;     /* the time of the miss: the judge looks at files later */
    struct tux_slice slice;
    struct tux_response *chosen; /* holds a reference */
    struct tux_blob *blob;       /* holds a reference: these bytes are being sent */
};

/* It is over: drop its head and its response. */
void tux_request_end(struct tux_request *request, struct tux_metrics *metrics);
/* The head must outlive this turn: copy it if it is not in the input already; -ENOMEM. */
int tux_request_pin_head(struct tux_request *request);
/* Its connection remembers that this head gets this response. */
void tux_request_remember(const struct tux_request *request, struct tux_response *response,
                          struct tux_metrics *metrics);

static inline bool tux_request_head_is_kept(const struct tux_request *request)
{
    const struct tux_conn *conn = request->conn;
    return conn->input && request->head >= conn->input && request->head < conn->input + conn->input_room;
}

#endif
