/* test_proxy.c: headers of the PROXY protocol, both versions: what is one, what is none, and what is not whole yet. */
#include "base/address.h"
#include "check.h"
#include "http/proxy.h"

static struct check_guard input;

#define TEXT(literal) {literal, sizeof(literal) - 1}
struct text { const char *bytes; size_t length; };

static i64 read_it(const void *bytes, size_t length, struct tux_proxied *out)
{
    return tux_proxy_read(check_guard_put(&input, bytes, length), length, out);
}

/* Every part of it is incomplete; the whole, with or without anything behind it, is exactly so long. */
static void whole_and_in_parts(const void *bytes, size_t length, struct tux_proxied *out)
{
    u8 more[4096];
    struct tux_proxied ignored;
    for (size_t part = 0; part < length; part++) CHECK_EQ(read_it(bytes, part, &ignored), 0);
    memcpy(more, bytes, length);
    memcpy(more + length, "GET / HTTP/1.1\r\n", 16);
    CHECK_EQ(read_it(more, length + 16, out), length);
    CHECK_EQ(read_it(bytes, length, out), length);
}

static void is_from(const struct tux_proxied *out, const char *text, u16 port)
{
    u8 address[16];
    CHECK(out->known && tux_address_read(text, address));
    CHECK(memcmp(out->address, address, 16) == 0);
    CHECK_EQ(out->port, port);
}

static void version_1(void)
{
    static const struct { struct text head; const char *address; u16 port; } cases[] = {
        {TEXT("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n"), "192.0.2.1", 56324},
        {TEXT("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"), "255.255.255.255", 65535},
        {TEXT("PROXY TCP6 2001:db8::1 ::1 0 1\r\n"), "2001:db8::1", 0},
        {TEXT("PROXY TCP6 ffff:f...f:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"), NULL, 0},
        {TEXT("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535"
              "\r\n"), "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535},
    };
    struct tux_proxied out;
    for (size_t i = 0; i < TUX_COUNT(cases); i++) {
        if (!cases[i].address) {
            CHECK_EQ(read_it(cases[i].head.bytes, cases[i].head.length, &out), -EPROTO);
            continue;
        }
        whole_and_in_parts(cases[i].head.bytes, cases[i].head.length, &out);
        is_from(&out, cases[i].address, cases[i].port);
    }
}

/* Section 2.1: whatever stands behind UNKNOWN is ignored. */
static void version_1_of_somebody_unknown(void)
{
    static const struct text heads[] = {
        TEXT("PROXY UNKNOWN\r\n"), TEXT("PROXY UNKNOWN \r\n"),
        TEXT("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535"
             "\r\n"),
    };
    struct tux_proxied out;
    CHECK_EQ(heads[2].length, TUX_PROXY_V1_BYTES_MAX);
    for (size_t i = 0; i < TUX_COUNT(heads); i++) {
        whole_and_in_parts(heads[i].bytes, heads[i].length, &out);
        CHECK(!out.known);
    }
}

static void what_is_no_version_1(void)
{
    static const struct text heads[] = {
        TEXT("GET / HTTP/1.1\r\n"), TEXT("proxy TCP4 1.1.1.1 1.1.1.1 1 1\r\n"), TEXT("PROXYTCP4 "), TEXT("\r\n"),
        TEXT("PROXY  TCP4 1.1.1.1 1.1.1.1 1 1\r\n"), TEXT("PROXY TCP4  1.1.1.1 1.1.1.1 1 1\r\n"),
        TEXT("PROXY TCP4 1.1.1.1 1.1.1.1 1 1 \r\n"), TEXT("PROXY TCP4 1.1.1.1 1.1.1.1 1 1 1\r\n"),
        TEXT("PROXY TCP4 1.1.1.1 1.1.1.1 1\r\n"), TEXT("PROXY TCP4 1.1.1.1 1.1.1.1 1 \r\n"), TEXT("PROXY TCP4\r\n"),
        TEXT("PROXY TCP4 1.1.1.1\r\n"), TEXT("PROXY \r\n"), TEXT("PROXY TCP5 1.1.1.1 1.1.1.1 1 1\r\n"),
        TEXT("PROXY TCP4 ::1 ::1 1 1\r\n"), TEXT("PROXY TCP6 1.1.1.1 1.1.1.1 1 1\r\n"),
        TEXT("PROXY TCP4 1.1.1 1.1.1.1 1 1\r\n"), TEXT("PROXY TCP4 01.1.1.1 1.1.1.1 1 1\r\n"),
        TEXT("PROXY TCP4 1.1.1.1 1.1.1.256 1 1\r\n"), TEXT("PROXY TCP4 1.1.1.1 1.1.1.1 65536 1\r\n"),
        TEXT("PROXY TCP4 1.1.1.1 1.1.1.1 01 1\r\n"), TEXT("PROXY TCP4 1.1.1.1 1.1.1.1 +1 1\r\n"),
        TEXT("PROXY TCP4 1.1.1.1 1.1.1.1 1 x\r\n"), TEXT("PROXY TCP4 1.1.1.1 1.1.1.1 1 100000\r\n"),
        TEXT("PROXY TCP4 1.1.1.1\0 1.1.1.1 1 1\r\n"), TEXT("PROXY TCP4 1.1.1.1 1.1.1.1 1 1\rX"),
        TEXT("PROXY UNKNOWNX\r\n"), TEXT("PROXY TCP4 1.1.1.1\t1.1.1.1 1 1\r\n"),
    };
    struct tux_proxied out;
    for (size_t i = 0; i < TUX_COUNT(heads); i++)
        CHECK_EQ(read_it(heads[i].bytes, heads[i].length, &out), i == 3 ? 0 : -EPROTO); /* CRLF may begin version 2 */
    char endless[200] = "PROXY UNKNOWN ";
    memset(endless + 14, 'x', sizeof endless - 14);
    CHECK_EQ(read_it(endless, TUX_PROXY_V1_BYTES_MAX - 1, &out), 0);
    CHECK_EQ(read_it(endless, TUX_PROXY_V1_BYTES_MAX, &out), -EPROTO);
    memcpy(endless + TUX_PROXY_V1_BYTES_MAX - 1, "\r\n", 2); /* one byte too late */
    CHECK_EQ(read_it(endless, TUX_PROXY_V1_BYTES_MAX + 1, &out), -EPROTO);
}

/* --- version 2 ---------------------------------------------------------------------------------------------------- */

static size_t v2(u8 *head, u8 command, u8 family, u16 behind)
{
    static const u8 start[] = "\r\n\r\n\0\r\nQUIT\n";
    memcpy(head, start, 12);
    head[12] = command;
    head[13] = family;
    head[14] = (u8)(behind >> 8);
    head[15] = (u8)behind;
    for (u32 i = 0; i < behind; i++) head[16 + i] = (u8)(i + 1);
    return 16u + behind;
}

static void version_2(void)
{
    u8 head[2048];
    struct tux_proxied out;
    whole_and_in_parts(head, v2(head, 0x21, 0x11, 12), &out);
    is_from(&out, "1.2.3.4", 0x090A);
    whole_and_in_parts(head, v2(head, 0x21, 0x11, 1000), &out); /* TLVs are skipped */
    is_from(&out, "1.2.3.4", 0x090A);
    whole_and_in_parts(head, v2(head, 0x21, 0x21, 36), &out);
    is_from(&out, "102:304:506:708:90a:b0c:d0e:f10", 0x2122);
    whole_and_in_parts(head, v2(head, 0x21, 0x21, 99), &out);
    is_from(&out, "102:304:506:708:90a:b0c:d0e:f10", 0x2122);
}

static void version_2_of_somebody_unknown(void)
{
    static const struct { u8 command, family; u16 behind; } cases[] = {
        {0x20, 0x00, 0}, {0x20, 0x11, 12}, {0x20, 0x11, 0}, {0x20, 0x00, 300}, /* LOCAL */
        {0x21, 0x00, 0}, {0x21, 0x00, 40}, {0x21, 0x10, 12}, {0x21, 0x01, 0},  /* UNSPEC */
        {0x21, 0x31, 216}, {0x21, 0x31, 300},                                 /* a unix socket has no address */
    };
    u8 head[2048];
    struct tux_proxied out;
    for (size_t i = 0; i < TUX_COUNT(cases); i++) {
        whole_and_in_parts(head, v2(head, cases[i].command, cases[i].family, cases[i].behind), &out);
        CHECK(!out.known);
    }
}

static void what_is_no_version_2(void)
{
    static const struct { u8 command, family; u16 behind; } cases[] = {
        {0x11, 0x11, 12}, {0x31, 0x11, 12}, {0x22, 0x11, 12}, {0x2F, 0x11, 12}, {0x01, 0x11, 12}, /* version... */
        {0x21, 0x41, 12}, {0x21, 0xF1, 12}, {0x21, 0x13, 12}, {0x20, 0x40, 0},              /* family, transport */
        {0x21, 0x12, 12}, {0x21, 0x22, 36}, {0x21, 0x32, 216},                                    /* datagrams */
        {0x21, 0x11, 11}, {0x21, 0x11, 0}, {0x21, 0x21, 35}, {0x21, 0x31, 215},                   /* too short */
    };
    u8 head[2048];
    struct tux_proxied out;
    for (size_t i = 0; i < TUX_COUNT(cases); i++) {
        size_t length = v2(head, cases[i].command, cases[i].family, cases[i].behind);
        CHECK_EQ(read_it(head, length, &out), -EPROTO);
        CHECK_EQ(read_it(head, 16, &out), -EPROTO); /* before anything behind it is waited for */
    }
    for (size_t at = 0; at < 12; at++) {
        size_t length = v2(head, 0x21, 0x11, 12);
        head[at] ^= 1;
        CHECK_EQ(read_it(head, length, &out), -EPROTO);
        CHECK_EQ(read_it(head, at + 1, &out), -EPROTO);
    }
}

static void the_longest_there_can_be(void)
{
    u8 *head = malloc(16 + 65535);
    struct tux_proxied out;
    CHECK(head != NULL);
    size_t length = v2(head, 0x21, 0x11, 65535);
    CHECK_EQ(tux_proxy_read(head, length - 1, &out), 0);
    CHECK_EQ(tux_proxy_read(head, length, &out), 16 + 65535);
    free(head);
}

/* Rubbish is refused or waited for, and never read beyond its end. */
static void rubbish(void)
{
    u64 chance = 7;
    u8 head[64];
    struct tux_proxied out;
    for (u32 round = 0; round < 100000; round++) {
        size_t length = v2(head, 0x21, 0x11, 12);
        if (round % 2) length = (size_t)snprintf((char *)head, sizeof head, "PROXY TCP4 1.2.3.4 5.6.7.8 9 10\r\n");
        for (u32 i = 0; i < 1 + round % 3; i++) head[check_random(&chance) % length] = (u8)check_random(&chance);
        length = check_random(&chance) % (length + 1);
        i64 got = read_it(head, length, &out);
        CHECK(got == -EPROTO || (got >= 0 && (size_t)got <= length));
    }
}

int main(void)
{
    input = check_guard_open(4096);
    version_1();
    version_1_of_somebody_unknown();
    what_is_no_version_1();
    version_2();
    version_2_of_somebody_unknown();
    what_is_no_version_2();
    the_longest_there_can_be();
    rubbish();
    return 0;
}
