/* floor 4 · conn.h: what an engine knows of one connection, beside the run that leads it.
 *
 * Input is looked at where the back-end received it. Only what cannot be dealt with at once is copied: half a head, the
 * rest of a pipeline, a head that the judge must see. So an idle connection holds no input memory at all. */
#ifndef TUX_CONN_H
#define TUX_CONN_H

#include "clients.h"
#include "response.h"

struct tux_conn {
    /* for the life of the connection */
    int fd;   /* -1: the run leads no connection now */
    u64 line; /* of the listener that it came by; see api.h */
    u32 class_number; /* of the client's address */
    u32 requests;
    u16 port;         /* of the client, and its address, IPv4 in its mapped form; a PROXY header may say another */
    u8 address[16];
    bool local;       /* it came by a unix socket */
    bool forwards;    /* a trusted proxy's, which says for each request who asks: class_number is of that one */
    u8 refused_by;    /* an enum tux_limit, counted from 1: nobody will read what it asks */
    bool crowded;     /* hardly a run was free when it came */
    u8 goes;          /* it has been told to end, to make room at this port (counted from 1) */
    bool heading;     /* the time of its head runs: it is not given anew by what comes before the next one */
    u16 blank;        /* bytes of empty lines before its next head */
    struct tux_client *client; /* where its address is counted; NULL: it is not */
    bool leaving; /* its listener is being drained: the next answer is the last, and an idle one closes at leave_ms */
    u64 leave_ms;
    u64 limit_ms; /* the head must be complete, or the lingering close over, at this time; 0 = none runs */
    /* input that had to be kept: bytes[at, used) */
    u8 *input;
    u32 input_room, input_at, input_used;
    u32 searched; /* no end of a head within so many bytes from input_at */
    /* the request at hand */
    const u8 *head; /* in input, or where the back-end received it */
    u32 head_bytes;
    u32 miss_flags;
    u64 began_ms;     /* when the head was whole */
    u64 began_ns;     /* the same for measure.h; 0 = not yet */
    u64 sent;         /* bytes of its answer, head and all */
    u8 source;        /* of its answer: enum tux_log_source */
    u8 anew;          /* times that it was decided anew, since its file had changed before anything was sent */
    bool charged;     /* its token has been taken */
    bool asked;       /* a miss is with the judge: the head must stay where it is */
    bool asked_leaving; /* ... and what held when it was asked; an answer to anything else is not kept */
    u32 asked_rules;
    u64 asked_ms;     /* ... and when that was: the judge looks at files no sooner */
    bool closing;     /* the answer was the last: it is we who end the connection */
    bool discarding;  /* ... and what still comes is thrown away */
    bool lingering;   /* ... by close itself */
    bool ranged;      /* the answer is for `slice` of what was chosen, and `blob` is made for it (ranged.h) */
    bool watched;     /* `taken` is what the client had taken when last looked */
    u64 taken, taken_ms; /* bytes acknowledged, and when that number last grew */
    struct tux_slice slice;
    struct tux_response *chosen; /* holds a reference */
    struct tux_blob *blob;       /* holds a reference: these bytes are being sent */
    /* its predecessor, for the cheapest comparison */
    struct tux_response *repeat; /* holds a reference */
    u16 repeat_bytes;
    u8 repeat_head[TUX_REPEAT_BYTES];
};

/* A fresh connection: nothing of the former one is left. */
void tux_conn_reset(struct tux_conn *conn, struct tux_metrics *metrics);

/* Keep `bytes` behind what is kept already; -ENOMEM. */
int tux_conn_keep_input(struct tux_conn *conn, const u8 *bytes, size_t length);
/* The first `count` bytes kept are done with. Memory goes back as soon as none is left. */
void tux_conn_consume(struct tux_conn *conn, u32 count);
/* The head must outlive this turn: copy it if it is not in the input already; -ENOMEM. */
int tux_conn_pin_head(struct tux_conn *conn);
/* The request is over: its head goes, and what was chosen for it. */
void tux_conn_end_request(struct tux_conn *conn, struct tux_metrics *metrics);
/* The next answer is another, even to the same head. */
void tux_conn_forget_repeat(struct tux_conn *conn, struct tux_metrics *metrics);
/* Remember that this head gets this response. */
void tux_conn_remember(struct tux_conn *conn, struct tux_response *response, struct tux_metrics *metrics);

static inline u32 tux_conn_kept(const struct tux_conn *conn) { return conn->input_used - conn->input_at; }

static inline bool tux_conn_head_is_kept(const struct tux_conn *conn)
{
    return conn->input && conn->head >= conn->input && conn->head < conn->input + conn->input_room;
}

#endif
