/* address.h: client addresses: 16 bytes, IPv4 in its mapped form, all zero for a local socket. Pure. */
#ifndef TUX_ADDRESS_H
#define TUX_ADDRESS_H

#include <arpa/inet.h>

#include "base/base.h"

static inline bool tux_address_is_none(const u8 address[16])
{
    static const u8 nobody[16] = {0};
    return memcmp(address, nobody, sizeof nobody) == 0;
}

static inline bool tux_address_is_v4(const u8 address[16])
{
    static const u8 mapped[12] = {[10] = 0xFF, [11] = 0xFF};
    return memcmp(address, mapped, sizeof mapped) == 0;
}

/* `v4` in network order, in its mapped form (RFC 4291 section 2.5.5.2). */
static inline void tux_address_map(u8 address[16], const void *v4)
{
    memset(address, 0, 10);
    memset(address + 10, 0xFF, 2);
    memcpy(address + 12, v4, 4);
}

/* Dotted quads or IPv6 as inet_pton(3) has them; `text` ends in NUL. */
static inline bool tux_address_read(const char *text, u8 address[16])
{
    u8 found[16];
    if (inet_pton(AF_INET, text, found) == 1) tux_address_map(address, found);
    else if (inet_pton(AF_INET6, text, found) == 1) memcpy(address, found, 16);
    else return false;
    return true;
}

/* The number of the interval that contains an address; 0 without intervals. */
static inline u32 tux_class_of(const struct tux_class *classes, u32 count, const u8 address[16])
{
    u32 low = 0, high = count; /* the answer is before high, and at low or behind it */
    if (count == 0) return 0;
    while (high - low > 1) {
        u32 middle = low + (high - low) / 2;
        if (memcmp(classes[middle].first, address, 16) <= 0) low = middle;
        else high = middle;
    }
    return memcmp(classes[low].first, address, 16) <= 0 ? classes[low].number : 0;
}

#endif
