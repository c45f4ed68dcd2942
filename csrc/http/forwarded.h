/* forwarded.h: the client behind proxies, by X-Forwarded-For or Forwarded (RFC 7239). Pure.
 *
 * A client can write these fields too, so only the entries of trusted proxies count. From the right, each hop has added
 * the address of the one before it, and the first address that is not trusted is the client. The configuration must
 * name one of the two fields: a proxy rewrites the one that it knows, and passes on the other as the client
 * wrote it. */
#ifndef TUX_FORWARDED_H
#define TUX_FORWARDED_H

#include "base/address.h"

/* `address` is the connection's. If it is a trusted proxy's (its class has the bit TUX_NETWORK_TRUSTED) and the field
 * (enum tux_forwarded) is there, it becomes the client's. False: a proxy does not know the client, and `address` is
 * that of the last hop that is known. */
bool tux_forwarded(const u8 *head, size_t length, u32 field, const struct tux_class *networks, u32 count,
                   u8 address[16]);

#endif
