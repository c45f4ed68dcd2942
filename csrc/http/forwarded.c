/* forwarded.c: lists of hops, read from their end. */
#include "http/forwarded.h"

#include "log/fields.h"

static bool is_trusted(const struct tux_class *networks, u32 count, const u8 address[16])
{
    return (tux_class_of(networks, count, address) & TUX_NETWORK_TRUSTED) != 0;
}

/* An address as proxies write it: bare, with a port, or in brackets. */
static bool read_address(struct text t, u8 address[16])
{
    char copy[INET6_ADDRSTRLEN];
    while (t.length > 0 && t.bytes[0] == '"') t.bytes++, t.length--;
    while (t.length > 0 && t.bytes[t.length - 1] == '"') t.length--;
    const u8 *colon = t.length ? memchr(t.bytes, ':', t.length) : NULL;
    const u8 *close = t.length ? memchr(t.bytes, ']', t.length) : NULL;
    if (t.length > 0 && t.bytes[0] == '[' && close) t = (struct text){t.bytes + 1, (size_t)(close - t.bytes - 1)};
    else if (colon && !memchr(colon + 1, ':', t.length - (size_t)(colon - t.bytes) - 1))
        t.length = (size_t)(colon - t.bytes);
    if (t.length == 0 || t.length >= sizeof copy) return false;
    memcpy(copy, t.bytes, t.length);
    copy[t.length] = 0;
    return strlen(copy) == t.length && tux_address_read(copy, address);
}

/* "for=", in any case. */
static bool is_for(const u8 *at)
{
    return (at[0] | 0x20) == 'f' && (at[1] | 0x20) == 'o' && (at[2] | 0x20) == 'r' && at[3] == '=';
}

/* The member of a list before `*end`, which moves to its beginning. In Forwarded, the value of its "for". */
static struct text last_member(const u8 *begin, const u8 **end, bool forwarded)
{
    const u8 *at = *end;
    while (at > begin && at[-1] != ',') at--;
    struct text member = trimmed(at, *end);
    *end = at > begin ? at - 1 : begin;
    if (!forwarded) return member;
    for (size_t i = 0; i + 4 < member.length; i++)
        if ((i == 0 || member.bytes[i - 1] == ';' || member.bytes[i - 1] == ' ') && is_for(member.bytes + i)) {
            const u8 *value = member.bytes + i + 4, *stop = value;
            while (stop < member.bytes + member.length && *stop != ';') stop++;
            return trimmed(value, stop);
        }
    return (struct text){member.bytes, 0};
}

bool tux_forwarded(const u8 *head, size_t length, u32 field, const struct tux_class *networks, u32 count,
                   u8 address[16])
{
    static const u8 xff[] = "x-forwarded-for", rfc[] = "forwarded";
    bool forwarded = field == TUX_FORWARDED_RFC7239;
    struct text all = {head, length}, list;
    const u8 *limit = head + length;
    if (field == TUX_FORWARDED_OFF || length == 0 || !is_trusted(networks, count, address)) return true;
    for (;;) {
        list = forwarded ? field_before(all, &limit, rfc, sizeof rfc - 1)
                         : field_before(all, &limit, xff, sizeof xff - 1);
        if (!list.bytes) return true;
        const u8 *end = list.bytes + list.length;
        while (end > list.bytes) {
            u8 found[16];
            struct text member = last_member(list.bytes, &end, forwarded);
            if (member.length == 0 && !forwarded) continue; /* an empty member of a list (RFC 9110 section 5.6.1) */
            if (!read_address(member, found)) return false;
            memcpy(address, found, 16);
            if (!is_trusted(networks, count, address)) return true;
        }
    }
}

int tux_test_forwarded(const uint8_t *head, size_t length, uint32_t field, const struct tux_class *networks,
                       uint32_t count, uint8_t *address)
{
    return tux_forwarded(head, length, field, networks, count, address) ? 0 : -1;
}
