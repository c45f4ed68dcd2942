/* logtake.c: one walk over a head. It stops when all wanted fields were found, and compares only lines whose first
 * letter can begin a wanted name. */
#include "log/logtake.h"

/* The user of a Basic authorization: base64 up to the colon (RFC 7617). The password is never copied. */
static struct text user_of(struct text value, u8 out[TUX_LOG_USER_BYTES])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if (value.length < 6 || (value.bytes[0] | 0x20) != 'b' || value.bytes[5] != ' ') return none;
    u32 word = 0, bits = 0;
    size_t length = 0;
    for (size_t i = 6; i < value.length && length < TUX_LOG_USER_BYTES; i++) {
        const char *digit = value.bytes[i] ? strchr(digits, value.bytes[i]) : NULL;
        if (!digit) break;
        word = (word << 6 | (u32)(digit - digits)) & 0xFFFFFF;
        if ((bits += 6) < 8) continue;
        bits -= 8;
        out[length] = (u8)(word >> bits);
        if (out[length++] == ':') return (struct text){out, length - 1};
    }
    return length == TUX_LOG_USER_BYTES ? (struct text){out, length} : none;
}

/* The length at which a value is cut, at most `most`, so that no UTF-8 sequence is cut in two. */
static size_t whole_signs(const u8 *bytes, size_t most)
{
    size_t at = most;
    while (at > 0 && most - at < 3 && (bytes[at] & 0xC0) == 0x80) at--;
    return (bytes[at] & 0xC0) == 0xC0 ? at : most;
}

static void keep(struct tux_log_found *found, u32 place, struct text value, u32 most)
{
    bool cut = value.length > most;
    if (cut) value.length = whole_signs(value.bytes, most);
    found->value[place] = value;
    found->length[place] = (u16)(value.length | (cut ? TUX_LOG_IS_CUT : 0));
    found->bytes += (u32)value.length;
}

/* A long request line loses the end of its target, and keeps its version. */
static void keep_line(struct tux_log_found *found, struct text line, u32 most)
{
    const u8 *end = line.bytes + line.length, *last = end;
    if (line.length > most) {
        const u8 *least = end - TUX_LOG_VERSION_BYTES;
        while (last > least && last[-1] != ' ') last--;
        if (last > least) found->version = (struct text){last - 1, (size_t)(end - last) + 1};
    }
    keep(found, TUX_LOG_PLACE_LINE, line, most - (u32)found->version.length);
    found->length[TUX_LOG_PLACE_LINE] = (u16)(found->length[TUX_LOG_PLACE_LINE] + found->version.length);
    found->bytes += (u32)found->version.length;
}

/* Compare one line with the wanted names; the first line of a field counts. The number of fields found. */
static u32 look_at(const struct tux_log_plan *plan, struct tux_log_found *found, const u8 *line, const u8 *end,
                   u32 most)
{
    static const u8 name[] = "authorization";
    u32 count = 0;
    if (plan->user && !found->user_is_seen && is_named(line, end, name, sizeof name - 1)) {
        struct text user = user_of(trimmed(line + sizeof name, end), found->user);
        if (user.bytes) keep(found, TUX_LOG_PLACE_USER, user, TUX_LOG_USER_BYTES - 1);
        found->user_is_seen = true;
        count++;
    }
    for (u32 i = 0; i < plan->fields; i++) {
        const struct tux_log_field *field = &plan->field[i];
        u32 place = TUX_LOG_PLACE_FIELDS + i;
        if (found->length[place] != TUX_LOG_NONE || !is_named(line, end, field->name, field->length)) continue;
        keep(found, place, trimmed(line + field->length + 1, end), most);
        count++;
    }
    return count;
}

void tux_log_find(const struct tux_log_plan *plan, struct text head, u32 most, struct tux_log_found *found)
{
    u32 places = tux_log_places(plan), wanted = plan->fields + (plan->user ? 1 : 0);
    found->version = none;
    found->user_is_seen = false;
    for (u32 i = 0; i < places; i++) found->length[i] = TUX_LOG_NONE;
    found->bytes = (u32)(sizeof(struct tux_entry_of_log) + places * sizeof *found->length);
    if (head.bytes) {
        const u8 *at = head.bytes, *end = head.bytes + head.length;
        while (at < end && (*at == '\r' || *at == '\n')) at++;
        const u8 *stop = line_end(at, end);
        struct text line = trimmed(at, stop);
        if (plan->line && line.length > 0) keep_line(found, line, most);
        while (wanted > 0 && stop < end) {
            at = stop + 1;
            stop = line_end(at, end);
            if (at < stop && (plan->initials & tux_log_initial(*at))) wanted -= look_at(plan, found, at, stop, most);
        }
    }
    found->bytes = (found->bytes + 7) & ~7u;
}

void tux_log_fill(const struct tux_log_plan *plan, const struct tux_log_found *found, struct tux_entry_of_log *record)
{
    u32 places = tux_log_places(plan);
    u16 *length = (u16 *)(void *)(record + 1);
    u8 *at = (u8 *)(length + places);
    record->bytes = found->bytes;
    record->spare = 0;
    memcpy(length, found->length, places * sizeof *length);
    for (u32 i = 0; i < places; i++) {
        if (length[i] == TUX_LOG_NONE) continue;
        size_t bytes = found->value[i].length;
        memcpy(at, found->value[i].bytes, bytes);
        at += bytes;
        if (i > TUX_LOG_PLACE_LINE || found->version.length == 0) continue;
        memcpy(at, found->version.bytes, found->version.length);
        at += found->version.length;
    }
}

struct text tux_log_value(const struct tux_log_plan *plan, const struct tux_entry_of_log *record, u32 place, bool *cut)
{
    u32 places = tux_log_places(plan);
    const u16 *length = (const u16 *)(const void *)(record + 1);
    const u8 *at = (const u8 *)(length + places);
    *cut = false;
    if (length[place] == TUX_LOG_NONE) return none;
    for (u32 i = 0; i < place; i++)
        if (length[i] != TUX_LOG_NONE) at += length[i] & ~TUX_LOG_IS_CUT;
    *cut = (length[place] & TUX_LOG_IS_CUT) != 0;
    return (struct text){at, length[place] & ~TUX_LOG_IS_CUT};
}
