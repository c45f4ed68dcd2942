/* conn.h: the state of one connection, without its requests (request.h).
 *
 * Input is read where the back-end received it. Only input that cannot be used at once is copied: half a head, the rest
 * of a pipeline, a head that the judge must see. So an idle connection holds no input memory at all. */
#ifndef TUX_CONN_H
#define TUX_CONN_H

#include "http/clients.h"
#include "http/response.h"

struct tux_transport;

struct tux_conn {
    const struct tux_transport *transport; /* by which all its bytes travel (transport.h) */
    int fd;           /* -1: there is no connection now */
    u32 class_number; /* of the client's address */
    u64 line;         /* of the listener that accepted it; see api.h */
    struct tux_client *client; /* where its address is counted; NULL: it is not */
    u32 requests;     /* that have been answered */
    u16 client_port;  /* of the client, and its address, IPv4 in its mapped form; a PROXY header may say another */
    u8 address[16];
    bool local;       /* its listener is a unix socket */
    bool forwards;    /* a trusted proxy's, which names the client of each request */
    bool may_linger;  /* its socket may have SO_LINGER, by which close(2) would wait for the client */
    u8 refused_by;    /* an enum tux_limit, counted from 1: its requests are not read */
    bool crowded;     /* almost no run was free when it came */
    u8 goes;          /* it has been told to end, to make room at this listener (counted from 1) */
    bool heading;     /* the time limit of its head runs: empty lines before the head do not renew it */
    bool leaving; /* its listener is being drained: the next answer is the last, and an idle one closes at leave_ms */
    u16 blank;        /* bytes of empty lines before its next head */
    u64 leave_ms;
    u64 limit_ms; /* the head must be complete, or the lingering close over, at this time; 0 = none runs */
    /* input that had to be kept: bytes[at, used) */
    u8 *input;
    u32 input_room, input_at, input_used;
    u32 searched; /* bytes from input_at in which no head ends */
    u64 taken, taken_ms; /* bytes acknowledged, and when that number last grew */
    bool watched;     /* `taken` is valid */
    /* its end */
    bool closing;     /* the answer was the last: we end the connection */
    bool discarding;  /* ... and throw away input that still comes */
    bool lingering;   /* ... by close itself */
    /* the head before and its response, for the cheapest comparison */
    u16 repeat_bytes;
    struct tux_response *repeat; /* holds a reference */
    u8 repeat_head[TUX_REPEAT_BYTES];
};

/* Forget a connection that is closed. Its requests have ended before. */
void tux_conn_reset(struct tux_conn *conn, struct tux_metrics *metrics);

/* Append `bytes` to the kept input; -ENOMEM. */
int tux_conn_keep_input(struct tux_conn *conn, const u8 *bytes, size_t length);
/* The first `count` kept bytes are used. Memory is freed as soon as none is left. */
void tux_conn_consume(struct tux_conn *conn, u32 count);
/* The same head may get another answer from now on. */
void tux_conn_forget_repeat(struct tux_conn *conn, struct tux_metrics *metrics);

/* Is this descriptor the connection's socket? */
static inline bool tux_conn_is(const struct tux_conn *conn, int fd) { return fd >= 0 && fd == conn->fd; }

static inline u32 tux_conn_kept(const struct tux_conn *conn) { return conn->input_used - conn->input_at; }

#endif
