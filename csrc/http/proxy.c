/* proxy.c: a strict parser: programs write this header, and a lenient reading could be exploited. */
#include "http/proxy.h"

#include "base/address.h"

static const u8 v1_start[] = "PROXY ";
static const u8 v2_start[12] = {0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A};

/* --- version 1: one line of text -------------------------------------------------------------------------------- */

/* The word at `*at`, which moves behind the one blank that follows it; false when it has another length, or no end. */
static bool take_word(const u8 **at, const u8 *end, char out[INET6_ADDRSTRLEN])
{
    size_t length = 0;
    while (*at < end && **at != ' ') {
        if (length + 1 >= INET6_ADDRSTRLEN || **at == 0) return false;
        out[length++] = (char)*(*at)++;
    }
    out[length] = 0;
    if (*at < end && ++*at == end) return false; /* a blank at the end of the line */
    return length > 0;
}

/* Up to five digits, without zeros in front. */
static bool read_port(const char *word, u16 *port)
{
    u32 value = 0;
    size_t length = strlen(word);
    if (length > 5 || (word[0] == '0' && length > 1)) return false;
    for (size_t i = 0; i < length; i++) {
        if (word[i] < '0' || word[i] > '9') return false;
        value = value * 10 + (u32)(word[i] - '0');
    }
    *port = (u16)value;
    return value <= 65535;
}

static bool read_line(const u8 *at, const u8 *end, struct tux_proxied *out)
{
    static const char unknown[] = "UNKNOWN";
    char word[INET6_ADDRSTRLEN], source[INET6_ADDRSTRLEN];
    u8 address[16];
    u16 port;
    if ((size_t)(end - at) >= sizeof unknown - 1 && memcmp(at, unknown, sizeof unknown - 1) == 0)
        return at + sizeof unknown - 1 == end || at[sizeof unknown - 1] == ' '; /* what follows is to be ignored */
    if (!take_word(&at, end, word) || at == end) return false;
    bool v6 = strcmp(word, "TCP6") == 0;
    if (!v6 && strcmp(word, "TCP4") != 0) return false;
    if (!take_word(&at, end, source) || at == end || inet_pton(v6 ? AF_INET6 : AF_INET, source, address) != 1)
        return false;
    if (v6) memcpy(out->address, address, 16);
    else tux_address_map(out->address, address);
    if (!take_word(&at, end, word) || at == end || inet_pton(v6 ? AF_INET6 : AF_INET, word, address) != 1) return false;
    if (!take_word(&at, end, word) || at == end || !read_port(word, &out->port)) return false;
    if (!take_word(&at, end, word) || at != end || !read_port(word, &port)) return false;
    return out->known = true;
}

static i64 read_v1(const u8 *bytes, size_t length, struct tux_proxied *out)
{
    size_t most = length < TUX_PROXY_V1_BYTES_MAX ? length : TUX_PROXY_V1_BYTES_MAX;
    const u8 *cr = memchr(bytes, '\r', most);
    if (!cr) return length < TUX_PROXY_V1_BYTES_MAX ? 0 : -EPROTO;
    size_t at = (size_t)(cr - bytes);
    if (at + 1 == most) return length < TUX_PROXY_V1_BYTES_MAX ? 0 : -EPROTO;
    if (cr[1] != '\n' || !read_line(bytes + sizeof v1_start - 1, cr, out)) return -EPROTO;
    return (i64)at + 2;
}

/* --- version 2: binary ------------------------------------------------------------------------------------------ */

enum { V2_LOCAL = 0x20, V2_PROXY = 0x21 };
enum { V2_STREAM = 1, V2_INET = 1, V2_INET6 = 2, V2_UNIX = 3 };
enum { V2_INET_BYTES = 12, V2_INET6_BYTES = 36, V2_UNIX_BYTES = 216 };

static u16 number_at(const u8 *bytes) { return (u16)(bytes[0] << 8 | bytes[1]); }

static i64 read_v2(const u8 *bytes, size_t length, struct tux_proxied *out)
{
    if (length > 12 && bytes[12] != V2_LOCAL && bytes[12] != V2_PROXY) return -EPROTO;
    if (length < TUX_PROXY_V2_BYTES) return 0;
    size_t behind = number_at(bytes + 14);
    u32 family = bytes[13] >> 4, transport = bytes[13] & 0x0Fu;
    const u8 *address = bytes + TUX_PROXY_V2_BYTES;
    static const size_t least[] = {0, V2_INET_BYTES, V2_INET6_BYTES, V2_UNIX_BYTES};
    bool real = bytes[12] == V2_PROXY && family != 0 && transport != 0;
    if (family > V2_UNIX || transport > 2) return -EPROTO; /* section 2.2: to be rejected */
    if (real && (transport != V2_STREAM || behind < least[family])) return -EPROTO;
    if (length < TUX_PROXY_V2_BYTES + behind) return 0;
    if (real && family == V2_INET) tux_address_map(out->address, address);
    else if (real && family == V2_INET6) memcpy(out->address, address, 16);
    out->known = real && family != V2_UNIX;
    if (out->known) out->port = number_at(address + (family == V2_INET ? 8 : 32));
    return (i64)(TUX_PROXY_V2_BYTES + behind); /* the TLVs behind the addresses are not used */
}

i64 tux_proxy_read(const u8 *bytes, size_t length, struct tux_proxied *out)
{
    *out = (struct tux_proxied){.known = false};
    size_t have = length < sizeof v1_start - 1 ? length : sizeof v1_start - 1;
    if (memcmp(bytes, v1_start, have) == 0) return have < sizeof v1_start - 1 ? 0 : read_v1(bytes, length, out);
    have = length < sizeof v2_start ? length : sizeof v2_start;
    if (memcmp(bytes, v2_start, have) == 0) return have < sizeof v2_start ? 0 : read_v2(bytes, length, out);
    return -EPROTO;
}
