/* floor 1 · forwarded.h: who asked, where proxies stand between: X-Forwarded-For, or Forwarded (RFC 7239). Pure.
 *
 * A client can write these fields too, so only what trusted proxies have added counts: from the right, each hop has
 * added the one before it, and the first that is not trusted is the client. Which of the two fields is looked at must
 * be said: a proxy replaces the one that it knows, and passes the other one on as the client has written it. */
#ifndef TUX_FORWARDED_H
#define TUX_FORWARDED_H

#include "address.h"

/* `address` is the connection's; it becomes the client's if that is a trusted proxy's (its class has the bit
 * TUX_NETWORK_TRUSTED) and the field (enum tux_forwarded) is there. False: a proxy does not know who asked, and the
 * address is that of the last hop that is known. */
bool tux_forwarded(const u8 *head, size_t length, u32 field, const struct tux_class *networks, u32 count,
                   u8 address[16]);

#endif
