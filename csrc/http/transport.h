/* transport.h: how the bytes of a connection travel.
 *
 * Each connection has one of these tables, and HTTP uses its socket through it alone, so no other file needs to know a
 * transport that encrypts. The plain one (plain.c) hands all bytes to the socket as they are. */
#ifndef TUX_TRANSPORT_H
#define TUX_TRANSPORT_H

#include "http/conn.h"
#include "chain/run.h"

struct tux_transport {
    /* The next bytes that the client has sent, in place, as stream() of backend.h has it. */
    i64 (*receive)(const struct tux_conn *, struct tux_stage *, struct tux_run *, const u8 **data);
    /* The atoms send and sendfile of a chain, when they send to the client. A worker may perform send_file, too. */
    tux_perform send, send_file;
    /* Has the client sent something that was not received? */
    bool (*has_input)(const struct tux_conn *);
    /* Is there room for more to send, whatever the events have said? */
    bool (*has_room)(const struct tux_conn *);
    /* A number that grows with what the client has acknowledged while we wait; 0 where nothing can be known. */
    u64 (*acknowledged)(const struct tux_conn *);
    /* Has the client's side acknowledged everything that was sent? */
    bool (*delivered)(const struct tux_conn *);
    /* shutdown(2): 0 or -errno. */
    int (*shut)(const struct tux_conn *, int how);
    /* The answer cannot be completed as announced, and the client must notice: closing will reset the connection, even
     * if all bytes were sent. */
    void (*reset_when_closed)(const struct tux_conn *);
    /* The same, and end what is being sent now. */
    void (*reset_now)(const struct tux_conn *);
    /* Close the socket. The connection that is left has none; see tux_serve_closed. */
    void (*close)(struct tux_conn *, struct tux_stage *, struct tux_run *);
};

extern const struct tux_transport tux_transport_plain;

#endif
