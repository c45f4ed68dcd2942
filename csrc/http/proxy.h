/* proxy.h: the header of the PROXY protocol, versions 1 and 2, by HAProxy's doc/proxy-protocol.txt. Pure. */
#ifndef TUX_PROXY_H
#define TUX_PROXY_H

#include "base/base.h"

#define TUX_PROXY_V1_BYTES_MAX 107 /* its CRLF included; section 2.1 */
#define TUX_PROXY_V2_BYTES 16      /* and up to 65535 behind these; section 2.2 */

struct tux_proxied {
    bool known; /* false: LOCAL, UNKNOWN, UNSPEC: the connection's own address holds */
    u8 address[16];
    u16 port;
};

/* The length of the header at the beginning of `bytes`; 0 while it is incomplete, -EPROTO if it is not one. */
i64 tux_proxy_read(const u8 *bytes, size_t length, struct tux_proxied *out);

#endif
