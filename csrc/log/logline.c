/* logline.c: clients choose the values of a line, so every value is escaped: no byte of it can end a line, leave its
 * quotes or reach a terminal as a command. Every value is bounded, so that the others have room. */
#include "log/logline.h"

#include <time.h>

#include "base/address.h"

struct sink {
    u8 *at, *end;
};

static void put(struct sink *s, const void *bytes, size_t length)
{
    TUX_ASSERT(length <= (size_t)(s->end - s->at)); /* the plan has counted the most that can come */
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

/* --- escapes ----------------------------------------------------------------------------------------------------- */

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

/* Characters that change how the text around them is shown: C1 controls, which are commands for some terminals,
 * characters that turn the direction of writing, characters without width, and separators of lines. */
static bool is_command(u32 sign)
{
    return sign < 0xA0 || sign == 0x61C || (sign >= 0x200B && sign <= 0x200F) || (sign >= 0x2028 && sign <= 0x202E) ||
           (sign >= 0x2060 && sign <= 0x206F) || sign == 0xFEFF;
}

static const char hex[] = "0123456789abcdef";

static size_t json_code(u8 *out, u32 sign)
{
    memcpy(out, "\\u", 2);
    for (u32 i = 0; i < 4; i++) out[2 + i] = (u8)hex[sign >> (12 - 4 * i) & 15];
    return 6;
}

/* One byte or one sequence in JSON (RFC 8259 section 7): into `out` of 8 bytes; how many bytes of the value it was. */
static size_t json_escape(const u8 *at, size_t left, u8 *out, size_t *written)
{
    size_t length = *at >= 0x80 ? utf8(at, left) : 1;
    u32 sign = *at;
    if (*at == '"' || *at == '\\') {
        out[0] = '\\';
        out[1] = *at;
        *written = 2;
        return 1;
    }
    if (length == 2) sign = (at[0] & 0x1Fu) << 6 | (at[1] & 0x3Fu);
    if (length == 3) sign = (at[0] & 0x0Fu) << 12 | (at[1] & 0x3Fu) << 6 | (at[2] & 0x3Fu);
    if (length == 0) *written = json_code(out, 0xFFFD);
    else if (length < 4 && is_command(sign)) *written = json_code(out, sign);
    else memcpy(out, at, *written = length);
    return length ? length : 1;
}

/* The same in text: quotes and backslashes as in Apache, non-ASCII characters byte by byte. */
static size_t text_escape(const u8 *at, u8 *out, size_t *written)
{
    bool quoted = *at == '"' || *at == '\\';
    out[0] = '\\';
    out[1] = quoted ? *at : 'x';
    out[2] = (u8)hex[*at >> 4];
    out[3] = (u8)hex[*at & 15];
    *written = quoted ? 2 : 4;
    return 1;
}

static bool is_json(u8 escape) { return escape >= TUX_LOG_JSON; }

static bool is_plain(u8 byte) { return byte > 0x20 && byte < 0x7F && byte != '"' && byte != '\\'; }

/* Write as much of the value as fits into `most` bytes; whether that was all. */
static bool put_escaped(struct sink *s, struct text value, u8 escape, size_t most)
{
    bool blanks = escape != TUX_LOG_PLAIN;
    for (size_t i = 0, written; i < value.length;) {
        size_t plain = i;
        while (plain < value.length && (is_plain(value.bytes[plain]) || (blanks && value.bytes[plain] == ' '))) plain++;
        size_t length = plain - i < most ? plain - i : most;
        put(s, value.bytes + i, length);
        i += length;
        most -= length;
        if (i == value.length) break;
        if (i < plain) return false;
        u8 code[8];
        i += is_json(escape) ? json_escape(value.bytes + i, value.length - i, code, &written)
                             : text_escape(value.bytes + i, code, &written);
        if (written > most) return false;
        put(s, code, written);
        most -= written;
    }
    return true;
}

/* Write `value`, a mark if it is cut, and `behind` in any case. */
static void put_value(struct sink *s, struct text value, bool cut, struct text behind, u8 escape)
{
    if (!value.bytes || (value.length == 0 && escape == TUX_LOG_PLAIN)) {
        put_text(s, escape == TUX_LOG_JSON ? "null" : "-");
        return;
    }
    if (escape == TUX_LOG_JSON) put(s, "\"", 1);
    if (!put_escaped(s, value, escape, TUX_LOG_VALUE_BYTES) || cut) put_text(s, is_json(escape) ? "\u2026" : "...");
    (void)put_escaped(s, behind, escape, 6 * behind.length);
    if (escape == TUX_LOG_JSON) put(s, "\"", 1);
}

/* --- the request line -------------------------------------------------------------------------------------------- */

/* Method, target and version are the words of the request line; a line in another form is all target. A long line loses
 * the end of its target. */
static void put_line(struct sink *s, struct text line, bool cut, u8 op, u8 escape)
{
    if (line.length == 0) {
        put_value(s, none, false, none, escape);
        return;
    }
    const u8 *end = line.bytes + line.length, *first = memchr(line.bytes, ' ', line.length), *second = end - 1;
    while (first && second > first && *second != ' ') second--;
    if (!first) {
        put_value(s, op == TUX_LOG_LINE || op == TUX_LOG_TARGET ? line : none, cut, none, escape);
        return;
    }
    struct text method = {line.bytes, (size_t)(first - line.bytes)}, version = none;
    bool long_method = cut && second == first, has_version = second > first;
    if (has_version && end - second <= TUX_LOG_VERSION_BYTES + 1)
        version = (struct text){second, (size_t)(end - second)};
    if (op == TUX_LOG_METHOD) {
        put_value(s, method, long_method, none, escape);
    } else if (op == TUX_LOG_LINE) {
        put_value(s, (struct text){line.bytes, line.length - version.length}, cut, version, escape);
    } else if (op == TUX_LOG_TARGET) {
        put_value(s, trimmed(first + 1, has_version ? second : end), cut && !long_method, none, escape);
    } else {
        put_value(s, has_version ? trimmed(second + 1, end) : none, false, none, escape);
    }
}

static void put_address(struct sink *s, const u8 address[16], u8 escape)
{
    char text[INET6_ADDRSTRLEN] = "";
    if (tux_address_is_none(address)) {
        put_value(s, none, false, none, escape);
        return;
    }
    if (tux_address_is_v4(address)) {
        struct sink digits = {(u8 *)text, (u8 *)text + sizeof text};
        for (int i = 12; i < 16; i++) {
            put_number(&digits, address[i]);
            if (i < 15) put(&digits, ".", 1);
        }
        put_value(s, (struct text){(u8 *)text, (size_t)(digits.at - (u8 *)text)}, false, none, escape);
        return;
    }
    (void)inet_ntop(AF_INET6, address, text, sizeof text);
    put_value(s, (struct text){(const u8 *)text, strlen(text)}, false, none, escape);
}

/* --- the time ----------------------------------------------------------------------------------------------------- */

/* Up to the second, in the form of that step. */
static u32 write_time(char *text, size_t room, time_t seconds, u8 op)
{
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct tm t;
    int n = 0;
    if (op == TUX_LOG_UNIX_TIME) {
        n = snprintf(text, room, "%lld.", (long long)seconds);
    } else if (op == TUX_LOG_ISO_TIME) {
        gmtime_r(&seconds, &t);
        n = snprintf(text, room, "%04d-%02d-%02dT%02d:%02d:%02d.", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday, t.tm_hour,
                     t.tm_min, t.tm_sec);
    } else if (op == TUX_LOG_CLOCK) {
        localtime_r(&seconds, &t);
        n = snprintf(text, room, "%02d:%02d:%02d", t.tm_hour, t.tm_min, t.tm_sec);
    } else { /* of the common format: 25/Nov/2026:18:06:11 +0000 */
        localtime_r(&seconds, &t);
        long minutes = t.tm_gmtoff / 60, size = minutes < 0 ? -minutes : minutes;
        n = snprintf(text, room, "%02d/%s/%04d:%02d:%02d:%02d %c%02ld%02ld", t.tm_mday, months[t.tm_mon],
                     t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec, minutes < 0 ? '-' : '+', size / 60, size % 60);
    }
    return (u32)tux_min_u64((u64)n, room - 1);
}

/* Formatting a second costs as much as the rest of a line, so it is kept. */
static void put_time(struct sink *s, struct tux_log_clock *clock, i64 wall_ms, u8 op)
{
    i64 seconds = wall_ms / 1000;
    u32 ms = (u32)(wall_ms % 1000);
    if (clock->length == 0 || clock->seconds != seconds || clock->op != op)
        clock->length = write_time(clock->text, sizeof clock->text, (time_t)seconds, op);
    clock->seconds = seconds;
    clock->op = op;
    put(s, clock->text, clock->length);
    if (op != TUX_LOG_UNIX_TIME && op != TUX_LOG_ISO_TIME) return;
    const char digits[4] = {(char)('0' + ms / 100), (char)('0' + ms / 10 % 10), (char)('0' + ms % 10), 'Z'};
    put(s, digits, op == TUX_LOG_ISO_TIME ? 4 : 3);
}

/* --- the line ----------------------------------------------------------------------------------------------------- */

static void put_colour(struct sink *s, u16 status)
{
    put_text(s, status >= 500 ? "\x1b[31m" : status >= 400 ? "\x1b[33m" : status >= 300 ? "\x1b[36m" : "\x1b[32m");
}

static void put_step(struct sink *s, const struct tux_log_plan *plan, const struct tux_log_step *step,
                     struct tux_log_clock *clock, const struct tux_entry_of_log *r)
{
    static const char *const sources[] = {"repeat", "kept", "judged", "limit"};
    const struct tux_log_facts *facts = &r->facts;
    struct text value;
    bool cut;
    switch (step->op) {
    case TUX_LOG_TEXT: put(s, step->text, step->length); break;
    case TUX_LOG_FIELD:
    case TUX_LOG_USER:
        value = tux_log_value(plan, r, step->place, &cut);
        put_value(s, value, cut, none, step->escape);
        break;
    case TUX_LOG_CLIENT: put_address(s, facts->client, step->escape); break;
    case TUX_LOG_PEER: put_address(s, facts->peer, step->escape); break;
    case TUX_LOG_PORT: put_number(s, facts->port); break;
    case TUX_LOG_TIME:
    case TUX_LOG_CLOCK:
    case TUX_LOG_ISO_TIME:
    case TUX_LOG_UNIX_TIME: put_time(s, clock, facts->wall_ms, step->op); break;
    case TUX_LOG_LINE:
    case TUX_LOG_METHOD:
    case TUX_LOG_TARGET:
    case TUX_LOG_VERSION:
        value = tux_log_value(plan, r, TUX_LOG_PLACE_LINE, &cut);
        put_line(s, value, cut, step->op, step->escape);
        break;
    case TUX_LOG_STATUS: put_number(s, facts->status); break;
    case TUX_LOG_BYTES:
        if (facts->body_bytes == 0 && !is_json(step->escape)) put_text(s, "-");
        else put_number(s, facts->body_bytes);
        break;
    case TUX_LOG_COUNT: put_number(s, facts->body_bytes); break;
    case TUX_LOG_MS: put_number(s, facts->duration_ms); break;
    case TUX_LOG_SOURCE: put_text(s, facts->source < TUX_COUNT(sources) ? sources[facts->source] : "-"); break;
    case TUX_LOG_COLOUR: put_colour(s, facts->status); break;
    default: TUX_ASSERT(!"a format that was checked has no such step");
    }
}

size_t tux_log_line(const struct tux_log_plan *plan, struct tux_log_clock *clock, const struct tux_entry_of_log *record,
                    u8 *out, size_t room)
{
    TUX_ASSERT(room >= plan->line_max);
    struct sink s = {out, out + room};
    for (u32 i = 0; i < plan->steps; i++) put_step(&s, plan, &plan->step[i], clock, record);
    *s.at++ = '\n';
    return (size_t)(s.at - out);
}

int64_t tux_test_log_line(const uint8_t *program, size_t program_bytes, const uint8_t *head, size_t head_bytes,
                          const struct tux_log_facts *facts, uint32_t most, uint8_t *out, size_t room)
{
    struct tux_log_clock clock = {0};
    struct tux_log_found found;
    struct tux_log_plan *plan = malloc(sizeof *plan);
    int64_t length = plan ? tux_log_plan_make(plan, program, program_bytes) : -ENOMEM;
    if (length == 0 && room < plan->line_max) length = -EINVAL;
    struct tux_entry_of_log *record = NULL;
    if (length == 0) {
        tux_log_find(plan, (struct text){head, head_bytes}, most, &found);
        record = malloc(found.bytes);
        if (!record) length = -ENOMEM;
    }
    if (length == 0) {
        tux_log_fill(plan, &found, record);
        record->facts = *facts;
        length = (int64_t)tux_log_line(plan, &clock, record, out, room);
    }
    free(record);
    free(plan);
    return length;
}
