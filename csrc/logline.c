/* logline.c: what is written of a request comes from whoever sent it, so nothing goes out as it came: no byte of it can
 * end a line, leave its quotes or reach a terminal as a command. */
#include "logline.h"

#include <arpa/inet.h>
#include <time.h>

struct text {
    const u8 *bytes;
    size_t length;
};

struct sink {
    u8 *at, *end;
};

static const struct text none = {NULL, 0};

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
    char digits[24];
    put(s, digits, (size_t)snprintf(digits, sizeof digits, "%llu", (unsigned long long)number));
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

static void put_value(struct sink *s, struct text value, u8 escape)
{
    if (!value.bytes) {
        put_text(s, escape == TUX_LOG_JSON ? "null" : "-");
        return;
    }
    if (escape == TUX_LOG_JSON) put(s, "\"", 1);
    for (size_t i = 0; i < value.length;) i += put_escaped(s, value.bytes + i, value.length - i, escape);
    if (escape == TUX_LOG_JSON) put(s, "\"", 1);
}

/* --- the head -------------------------------------------------------------------------------------------------- */

static struct text head_of(const struct tux_entry_of_log *record)
{
    struct text head = {(const u8 *)(record + 1), record->head_bytes};
    while (head.length > 0 && (*head.bytes == '\r' || *head.bytes == '\n')) head.bytes++, head.length--;
    return head;
}

static struct text trimmed(const u8 *from, const u8 *to)
{
    while (from < to && (*from == ' ' || *from == '\t')) from++;
    while (to > from && (to[-1] == ' ' || to[-1] == '\t' || to[-1] == '\r' || to[-1] == '\n')) to--;
    return (struct text){from, (size_t)(to - from)};
}

/* The end of the line at `at`, before its LF. */
static const u8 *line_end(const u8 *at, const u8 *end)
{
    const u8 *found = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
    return found ? found : end;
}

static bool is_named(const u8 *line, const u8 *end, const u8 *name, size_t length)
{
    if ((size_t)(end - line) <= length || line[length] != ':') return false;
    for (size_t i = 0; i < length; i++)
        if ((line[i] >= 'A' && line[i] <= 'Z' ? line[i] | 0x20 : line[i]) != name[i]) return false;
    return true;
}

/* The value of a field; of several lines the first, or the last. */
static struct text field_of(struct text head, const u8 *name, size_t length, bool last)
{
    const u8 *end = head.bytes + head.length, *at = line_end(head.bytes, end);
    struct text found = none;
    while (at < end) {
        const u8 *line = at + 1, *stop = line_end(line, end);
        if (is_named(line, stop, name, length)) {
            found = trimmed(line + length + 1, stop);
            if (!last) return found;
        }
        at = stop;
    }
    return found;
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

/* --- who asked ------------------------------------------------------------------------------------------------- */

static bool is_trusted(const struct tux_log_format *f, const u8 address[16])
{
    u32 low = 0, high = f->trusted_count;
    if (high == 0) return false;
    while (high - low > 1) {
        u32 middle = low + (high - low) / 2;
        if (memcmp(f->trusted[middle].first, address, 16) <= 0) low = middle;
        else high = middle;
    }
    return memcmp(f->trusted[low].first, address, 16) <= 0 && f->trusted[low].number == 1;
}

/* An address as proxies write it: bare, with a port, or in brackets. */
static bool read_address(struct text t, u8 address[16])
{
    char copy[INET6_ADDRSTRLEN];
    while (t.length > 0 && t.bytes[0] == '"') t.bytes++, t.length--;
    while (t.length > 0 && t.bytes[t.length - 1] == '"') t.length--;
    const u8 *colon = memchr(t.bytes, ':', t.length), *close = memchr(t.bytes, ']', t.length);
    if (t.length > 0 && t.bytes[0] == '[' && close) t = (struct text){t.bytes + 1, (size_t)(close - t.bytes - 1)};
    else if (colon && !memchr(colon + 1, ':', t.length - (size_t)(colon - t.bytes) - 1))
        t.length = (size_t)(colon - t.bytes);
    if (t.length == 0 || t.length >= sizeof copy) return false;
    memcpy(copy, t.bytes, t.length);
    copy[t.length] = 0;
    memset(address, 0, 10);
    memset(address + 10, 0xFF, 2);
    return inet_pton(AF_INET, copy, address + 12) == 1 || inet_pton(AF_INET6, copy, address) == 1;
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

/* From the right: every hop has added the one before it, so the first that we do not trust is the client. */
static void client_of(const struct tux_log_format *f, const struct tux_entry_of_log *record, u8 address[16])
{
    static const u8 xff[] = "x-forwarded-for", fwd[] = "forwarded";
    memcpy(address, record->address, 16);
    if (!is_trusted(f, address)) return;
    struct text head = head_of(record), list = field_of(head, xff, sizeof xff - 1, true);
    bool forwarded = !list.bytes;
    if (forwarded) list = field_of(head, fwd, sizeof fwd - 1, true);
    if (!list.bytes) return;
    const u8 *end = list.bytes + list.length;
    while (end > list.bytes) {
        u8 found[16];
        if (!read_address(last_member(list.bytes, &end, forwarded), found)) return;
        memcpy(address, found, 16);
        if (!is_trusted(f, address)) return;
    }
}

static void put_address(struct sink *s, const u8 address[16], u8 escape)
{
    static const u8 mapped[12] = {[10] = 0xFF, [11] = 0xFF}, nobody[16] = {0};
    char text[INET6_ADDRSTRLEN];
    if (memcmp(address, nobody, 16) == 0) {
        put_value(s, none, escape);
        return;
    }
    bool v4 = memcmp(address, mapped, sizeof mapped) == 0;
    if (!inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? address + 12 : address, text, sizeof text)) return;
    put_value(s, (struct text){(const u8 *)text, strlen(text)}, escape);
}

/* The user of a Basic authorization: base64 up to the colon (RFC 7617). */
static struct text user_of(struct text head, u8 out[256])
{
    static const u8 name[] = "authorization";
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    struct text value = field_of(head, name, sizeof name - 1, false);
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

static void put_time(struct sink *s, i64 wall_ms, u8 op)
{
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = (time_t)(wall_ms / 1000);
    int ms = (int)(wall_ms % 1000), n;
    char text[96];
    struct tm t;
    if (op == TUX_LOG_UNIX_TIME) {
        n = snprintf(text, sizeof text, "%lld.%03d", (long long)seconds, ms);
    } else if (op == TUX_LOG_ISO_TIME) {
        gmtime_r(&seconds, &t);
        n = snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", t.tm_year + 1900, t.tm_mon + 1,
                     t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec, ms);
    } else if (op == TUX_LOG_CLOCK) {
        localtime_r(&seconds, &t);
        n = snprintf(text, sizeof text, "%02d:%02d:%02d", t.tm_hour, t.tm_min, t.tm_sec);
    } else {
        localtime_r(&seconds, &t);
        long minutes = t.tm_gmtoff / 60, size = minutes < 0 ? -minutes : minutes;
        n = snprintf(text, sizeof text, "%02d/%s/%04d:%02d:%02d:%02d %c%02ld%02ld", t.tm_mday, months[t.tm_mon],
                     t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec, minutes < 0 ? '-' : '+', size / 60, size % 60);
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
    static const char *const sources[] = {"repeat", "kept", "judged"};
    u8 memory[256];
    switch (op) {
    case TUX_LOG_TEXT: put(s, argument.bytes, argument.length); break;
    case TUX_LOG_FIELD: put_value(s, field_of(head_of(r), argument.bytes, argument.length, false), escape); break;
    case TUX_LOG_CLIENT:
        client_of(f, r, memory);
        put_address(s, memory, escape);
        break;
    case TUX_LOG_PEER: put_address(s, r->address, escape); break;
    case TUX_LOG_PORT: put_number(s, r->port); break;
    case TUX_LOG_TIME:
    case TUX_LOG_CLOCK:
    case TUX_LOG_ISO_TIME:
    case TUX_LOG_UNIX_TIME: put_time(s, r->wall_ms, op); break;
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

int64_t tux_test_log_line(const uint8_t *program, size_t program_bytes, const struct tux_class *trusted,
                          uint32_t trusted_count, const uint8_t *record, uint8_t *out, size_t room)
{
    struct tux_log_format format = {program, program_bytes, trusted, trusted_count};
    if (tux_log_check(program, program_bytes) != 0 || room == 0) return -EINVAL;
    return (int64_t)tux_log_line(&format, (const void *)record, out, room);
}
