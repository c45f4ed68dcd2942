/* logline.c: what is written of a request comes from whoever sent it, so nothing goes out as it came: no byte of it can
 * end a line, leave its quotes or reach a terminal as a command. */
#include "logline.h"

#include <time.h>

#include "fields.h"
#include "forwarded.h"

struct sink {
    u8 *at, *end;
};

static void put(struct sink *s, const void *bytes, size_t length)
{
    size_t room = (size_t)(s->end - s->at);
    if (length > room) length = room;
    memcpy(s->at, bytes, length);
    s->at += length;
}

static void put_text(struct sink *s, const char *text) { put(s, text, strlen(text)); }

static void put_number(struct sink *s, u64 number)
{
    char digits[20];
    size_t at = sizeof digits;
    do digits[--at] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    put(s, digits + at, sizeof digits - at);
}

/* Bytes of the UTF-8 sequence at `at`, 0 when there is no sound one (RFC 3629 section 4). */
static size_t utf8(const u8 *at, size_t left)
{
    size_t length = at[0] >= 0xF0 ? 4 : at[0] >= 0xE0 ? 3 : 2;
    if (at[0] < 0xC2 || at[0] > 0xF4 || left < length) return 0;
    for (size_t i = 1; i < length; i++)
        if ((at[i] & 0xC0) != 0x80) return 0;
    if ((at[0] == 0xE0 && at[1] < 0xA0) || (at[0] == 0xED && at[1] > 0x9F)) return 0;
    if ((at[0] == 0xF0 && at[1] < 0x90) || (at[0] == 0xF4 && at[1] > 0x8F)) return 0;
    return length;
}

static void put_hex(struct sink *s, const char *before, u8 byte)
{
    char text[8];
    put(s, text, (size_t)snprintf(text, sizeof text, "%s%02x", before, byte));
}

/* One byte or one sequence, escaped; how many bytes it was. C1 controls are commands for some terminals. */
static size_t put_escaped(struct sink *s, const u8 *at, size_t left, u8 escape)
{
    if (*at == '"' || *at == '\\') {
        if (escape != TUX_LOG_PLAIN || *at == '\\') put(s, "\\", 1);
        put(s, at, 1);
        return 1;
    }
    if (*at >= 0x20 && *at < 0x7F) {
        put(s, at, 1);
        return 1;
    }
    size_t length = *at >= 0x80 ? utf8(at, left) : 0;
    bool control = length == 0 || (at[0] == 0xC2 && at[1] < 0xA0);
    if (!control && escape == TUX_LOG_JSON) {
        put(s, at, length);
        return length;
    }
    if (escape == TUX_LOG_JSON && *at >= 0x80 && length == 0) put_text(s, "\\ufffd");
    else if (escape == TUX_LOG_JSON) put_hex(s, "\\u00", length ? at[1] : *at);
    else put_hex(s, "\\x", *at);
    return escape == TUX_LOG_JSON && length ? length : 1;
}

static bool is_plain(u8 byte) { return byte >= 0x20 && byte < 0x7F && byte != '"' && byte != '\\'; }

static void put_value(struct sink *s, struct text value, u8 escape)
{
    if (!value.bytes) {
        put_text(s, escape == TUX_LOG_JSON ? "null" : "-");
        return;
    }
    if (escape == TUX_LOG_JSON) put(s, "\"", 1);
    for (size_t i = 0; i < value.length;) {
        size_t plain = i;
        while (plain < value.length && is_plain(value.bytes[plain])) plain++;
        put(s, value.bytes + i, plain - i);
        i = plain;
        if (i < value.length) i += put_escaped(s, value.bytes + i, value.length - i, escape);
    }
    if (escape == TUX_LOG_JSON) put(s, "\"", 1);
}

/* --- the head -------------------------------------------------------------------------------------------------- */

static struct text head_of(const struct tux_entry_of_log *record)
{
    struct text head = {(const u8 *)(record + 1), record->head_bytes};
    while (head.length > 0 && (*head.bytes == '\r' || *head.bytes == '\n')) head.bytes++, head.length--;
    return head;
}

/* Method, target and version: the words of the request line; all of it goes to the target when it has no such form. */
static struct text word_of(struct text head, u8 op)
{
    struct text line = trimmed(head.bytes, line_end(head.bytes, head.bytes + head.length));
    if (line.length == 0) return none;
    if (op == TUX_LOG_LINE) return line;
    const u8 *end = line.bytes + line.length, *first = memchr(line.bytes, ' ', line.length), *second = end;
    if (!first) return op == TUX_LOG_TARGET ? line : none;
    while (second > first && *second != ' ') second--;
    if (op == TUX_LOG_METHOD) return (struct text){line.bytes, (size_t)(first - line.bytes)};
    if (second == first) second = end;
    if (op == TUX_LOG_TARGET) return trimmed(first + 1, second);
    return second < end ? trimmed(second + 1, end) : none;
}

static void put_address(struct sink *s, const u8 address[16], u8 escape)
{
    char text[INET6_ADDRSTRLEN];
    if (tux_address_is_none(address)) {
        put_value(s, none, escape);
        return;
    }
    if (tux_address_is_v4(address)) {
        struct sink digits = {(u8 *)text, (u8 *)text + sizeof text};
        for (int i = 12; i < 16; i++) {
            put_number(&digits, address[i]);
            if (i < 15) put(&digits, ".", 1);
        }
        put_value(s, (struct text){(u8 *)text, (size_t)(digits.at - (u8 *)text)}, escape);
        return;
    }
    if (!inet_ntop(AF_INET6, address, text, sizeof text)) return;
    put_value(s, (struct text){(const u8 *)text, strlen(text)}, escape);
}

/* The user of a Basic authorization: base64 up to the colon (RFC 7617). */
static struct text user_of(struct text head, u8 out[256])
{
    static const u8 name[] = "authorization";
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    struct text value = field_of(head, name, sizeof name - 1);
    if (!value.bytes || value.length < 6 || (value.bytes[0] | 0x20) != 'b' || value.bytes[5] != ' ') return none;
    u32 word = 0, bits = 0;
    size_t length = 0;
    for (size_t i = 6; i < value.length && length < 256; i++) {
        const char *digit = value.bytes[i] ? strchr(digits, value.bytes[i]) : NULL;
        if (!digit) break;
        word = (word << 6 | (u32)(digit - digits)) & 0xFFFFFF;
        if ((bits += 6) < 8) continue;
        bits -= 8;
        out[length] = (u8)(word >> bits);
        if (out[length++] == ':') return (struct text){out, length - 1};
    }
    return none;
}

/* --- the line -------------------------------------------------------------------------------------------------- */

/* Of the common format: 25/Nov/2026:18:06:11 +0000. */
static u32 write_time(char *text, size_t room, time_t seconds)
{
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct tm t;
    localtime_r(&seconds, &t);
    long minutes = t.tm_gmtoff / 60, size = minutes < 0 ? -minutes : minutes;
    int n = snprintf(text, room, "%02d/%s/%04d:%02d:%02d:%02d %c%02ld%02ld", t.tm_mday, months[t.tm_mon],
                     t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec, minutes < 0 ? '-' : '+', size / 60, size % 60);
    return (u32)tux_min_u64((u64)n, room - 1);
}

static void put_time(struct sink *s, struct tux_log_clock *clock, i64 wall_ms, u8 op)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    int ms = (int)(wall_ms % 1000), n = 0;
    char text[96];
    struct tm t;
    if (op == TUX_LOG_TIME) { /* 0.3 µs, as much as all the rest of a line */
        if (clock->length == 0 || clock->seconds != seconds)
            clock->length = write_time(clock->text, sizeof clock->text, seconds);
        clock->seconds = seconds;
        put(s, clock->text, clock->length);
        return;
    }
    if (op == TUX_LOG_UNIX_TIME) {
        n = snprintf(text, sizeof text, "%lld.%03d", (long long)seconds, ms);
    } else if (op == TUX_LOG_ISO_TIME) {
        gmtime_r(&seconds, &t);
        n = snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", t.tm_year + 1900, t.tm_mon + 1,
                     t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec, ms);
    } else {
        localtime_r(&seconds, &t);
        n = snprintf(text, sizeof text, "%02d:%02d:%02d", t.tm_hour, t.tm_min, t.tm_sec);
    }
    put(s, text, (size_t)n);
}

static void put_colour(struct sink *s, u16 status)
{
    put_text(s, status >= 500 ? "\x1b[31m" : status >= 400 ? "\x1b[33m" : status >= 300 ? "\x1b[36m" : "\x1b[32m");
}

static void put_op(struct sink *s, const struct tux_log_format *f, const struct tux_entry_of_log *r, u8 op, u8 escape,
                   struct text argument)
{
    static const char *const sources[] = {"repeat", "kept", "judged", "limit"};
    u8 memory[256];
    switch (op) {
    case TUX_LOG_TEXT: put(s, argument.bytes, argument.length); break;
    case TUX_LOG_FIELD: put_value(s, field_of(head_of(r), argument.bytes, argument.length), escape); break;
    case TUX_LOG_CLIENT:
        memcpy(memory, r->address, 16);
        (void)tux_forwarded(head_of(r).bytes, head_of(r).length, f->forwarded, f->networks, f->network_count, memory);
        put_address(s, memory, escape);
        break;
    case TUX_LOG_PEER: put_address(s, r->address, escape); break;
    case TUX_LOG_PORT: put_number(s, r->port); break;
    case TUX_LOG_TIME:
    case TUX_LOG_CLOCK:
    case TUX_LOG_ISO_TIME:
    case TUX_LOG_UNIX_TIME: put_time(s, f->clock, r->wall_ms, op); break;
    case TUX_LOG_LINE:
    case TUX_LOG_METHOD:
    case TUX_LOG_TARGET:
    case TUX_LOG_VERSION: put_value(s, word_of(head_of(r), op), escape); break;
    case TUX_LOG_STATUS: put_number(s, r->status); break;
    case TUX_LOG_BYTES:
        if (r->body_bytes == 0) put_text(s, "-");
        else put_number(s, r->body_bytes);
        break;
    case TUX_LOG_COUNT: put_number(s, r->body_bytes); break;
    case TUX_LOG_MS: put_number(s, r->duration_ms); break;
    case TUX_LOG_SOURCE: put_text(s, r->source < TUX_COUNT(sources) ? sources[r->source] : "-"); break;
    case TUX_LOG_USER: put_value(s, user_of(head_of(r), memory), escape); break;
    case TUX_LOG_COLOUR: put_colour(s, r->status); break;
    default: TUX_ASSERT(!"a format that was checked has no such step");
    }
}

int tux_log_check(const u8 *program, size_t bytes)
{
    size_t at = 0;
    while (at < bytes) {
        if (bytes - at < 4 || program[at] >= TUX_LOG_OPS || program[at + 1] > TUX_LOG_JSON) return -EINVAL;
        size_t length = (size_t)(program[at + 2] | program[at + 3] << 8);
        if (bytes - at - 4 < length) return -EINVAL;
        at += 4 + length;
    }
    return 0;
}

size_t tux_log_line(const struct tux_log_format *format, const struct tux_entry_of_log *record, u8 *out, size_t room)
{
    TUX_ASSERT(room > 0);
    struct sink s = {out, out + room - 1};
    for (size_t at = 0; at < format->bytes;) {
        const u8 *step = format->program + at;
        size_t length = (size_t)(step[2] | step[3] << 8);
        put_op(&s, format, record, step[0], step[1], (struct text){step + 4, length});
        at += 4 + length;
    }
    *s.at++ = '\n';
    return (size_t)(s.at - out);
}

int64_t tux_test_log_line(const uint8_t *program, size_t program_bytes, const struct tux_class *networks,
                          uint32_t network_count, uint32_t forwarded, const uint8_t *record, uint8_t *out,
                          size_t room)
{
    struct tux_log_clock clock = {0};
    struct tux_log_format format = {program, program_bytes, networks, network_count, forwarded, &clock};
    if (tux_log_check(program, program_bytes) != 0 || room == 0) return -EINVAL;
    return (int64_t)tux_log_line(&format, (const void *)record, out, room);
}

int tux_test_forwarded(const uint8_t *head, size_t length, uint32_t field, const struct tux_class *networks,
                       uint32_t count, uint8_t *address)
{
    return tux_forwarded(head, length, field, networks, count, address) ? 0 : -1;
}
