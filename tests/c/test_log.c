/* The access log: lines are whole whatever was asked, come in the order of time, and nobody waits for their reader. */
#include "check.h"

#include <sys/stat.h>

#include "base/clock.h"
#include "log/logger.h"
#include "log/logline.h"

struct made {
    u8 bytes[8192];
    size_t length;
};

static void step(struct made *m, u8 op, u8 escape, const char *text)
{
    size_t length = strlen(text);
    CHECK(m->length + 4 + length <= sizeof m->bytes);
    const u8 head[4] = {op, escape, (u8)length, (u8)(length >> 8)};
    memcpy(m->bytes + m->length, head, 4);
    memcpy(m->bytes + m->length + 4, text, length);
    m->length += 4 + length;
}

static const struct tux_log_facts facts = {.wall_ms = 1700000000123, .body_bytes = 7, .status = 200, .port = 80};

static struct text text_of(const char *words) { return (struct text){(const u8 *)words, strlen(words)}; }

/* --- lines ------------------------------------------------------------------------------------------------------- */

/* Every step in every escape, each behind a mark, so that a missing one is seen. */
static struct made everything(u8 escape)
{
    struct made m = {.length = 0};
    for (u8 op = TUX_LOG_FIELD; op < TUX_LOG_OPS; op++) {
        if (op == TUX_LOG_COLOUR) continue;
        step(&m, TUX_LOG_TEXT, 0, "\a");
        step(&m, op, escape, op == TUX_LOG_FIELD ? "user-agent" : "");
    }
    step(&m, TUX_LOG_TEXT, 0, "\a");
    return m;
}

static size_t random_head(u64 *seed, u8 *head, size_t room)
{
    static const char *const pieces[] = {
        "GET /", " HTTP/1.1", "\r\n", "\n", " ", "\t", "User-Agent: ", "user-agent:", "Authorization: Basic ",
        "YWxpY2U6c2VjcmV0", ":", "\"", "\\", "\x1b[31m", "\x9b", "\xc2\x9b", "\xe2\x80\xae", "\xf0\x9f\x98\x80",
        "\xff", "%41",
    };
    size_t length = 0, most = check_below(seed, 4) == 0 ? check_below(seed, 64) : check_below(seed, (u64)room);
    while (length < most) {
        const char *piece = pieces[check_below(seed, TUX_COUNT(pieces))];
        size_t count = strlen(piece), times = check_below(seed, 16) == 0 ? check_below(seed, 9000) : 1;
        for (; times > 0 && length + count <= most; times--, length += count) memcpy(head + length, piece, count);
        if (check_below(seed, 3) == 0 && length < most) head[length++] = (u8)check_random(seed);
        if (length + 20 > most) break;
    }
    return length;
}

static void one_line(const struct tux_log_plan *plan, const struct check_guard *in, const struct check_guard *out,
                     const u8 *head, size_t length, u32 most)
{
    struct tux_log_found found;
    struct tux_log_clock clock = {0};
    const u8 *there = check_guard_put(in, head, length);
    tux_log_find(plan, (struct text){there, length}, most, &found);
    CHECK(found.bytes <= plan->record_max && found.bytes % 8 == 0);
    struct tux_entry_of_log *record = malloc(found.bytes);
    CHECK(record != NULL);
    tux_log_fill(plan, &found, record);
    record->facts = facts;
    u8 *line = check_guard_room(out, plan->line_max);
    size_t bytes = tux_log_line(plan, &clock, record, line, plan->line_max), marks = 0;
    for (size_t i = 0; i < bytes; i++) {
        if (line[i] == '\a') marks++;
        else if (i + 1 < bytes) CHECK(line[i] >= 0x20 && line[i] != 0x7F);
        if (i > 0 && line[i - 1] == 0xC2) CHECK(line[i] >= 0xA0);
    }
    CHECK_EQ(line[bytes - 1], '\n');
    CHECK_EQ(marks, TUX_LOG_OPS - 1);
    free(record);
}

static void lines_are_whole(void)
{
    u64 seed = 20261130;
    static u8 head[TUX_HEAD_BYTES_MAX];
    struct tux_log_plan *plan = malloc(sizeof *plan);
    CHECK(plan != NULL);
    struct check_guard in = check_guard_open(sizeof head);
    for (u8 escape = TUX_LOG_PLAIN; escape < TUX_LOG_ESCAPES; escape++) {
        struct made m = everything(escape);
        CHECK_EQ(tux_log_plan_make(plan, m.bytes, m.length), 0);
        struct check_guard out = check_guard_open(plan->line_max);
        for (u32 i = 0; i < 3000; i++) {
            size_t length = random_head(&seed, head, sizeof head);
            one_line(plan, &in, &out, head, length, i % 2 ? TUX_LOG_VALUE_BYTES : TUX_LOG_SHORT_BYTES);
        }
        memset(head, 0x80, sizeof head); /* one word, of the longest kind */
        one_line(plan, &in, &out, head, sizeof head, TUX_LOG_VALUE_BYTES);
    }
    free(plan);
}

static void what_is_no_format_is_refused(void)
{
    struct tux_log_plan *plan = malloc(sizeof *plan);
    CHECK(plan != NULL);
    static const u8 bad[][6] = {{TUX_LOG_OPS, 0, 0, 0}, {0, TUX_LOG_ESCAPES, 0, 0}, {0, 0, 9, 0}, {0, 0, 0}};
    for (size_t i = 0; i < TUX_COUNT(bad); i++) CHECK_EQ(tux_log_plan_make(plan, bad[i], i == 3 ? 3 : 4), -EINVAL);
    struct made m = {.length = 0};
    for (u32 i = 0; i <= TUX_LOG_FIELDS_MAX; i++) {
        char name[8];
        CHECK_EQ(tux_log_plan_make(plan, m.bytes, m.length), 0);
        snprintf(name, sizeof name, "f%u", i);
        step(&m, TUX_LOG_FIELD, 0, name);
    }
    CHECK_EQ(tux_log_plan_make(plan, m.bytes, m.length), -EINVAL);
    free(plan);
}

/* --- the thread -------------------------------------------------------------------------------------------------- */

/* The target, and nothing else. */
static struct tux_log *open_log(int fd, const char *path, bool wait)
{
    struct made m = {.length = 0};
    step(&m, TUX_LOG_TARGET, 0, "");
    const struct tux_log_options options = {.program = m.bytes, .program_bytes = m.length, .path = path, .fd = fd,
                                            .journal_bytes = 65536, .flush_ms = 5, .wait = wait};
    struct tux_log *log = NULL;
    CHECK_EQ(tux_log_open(&options, &log), 0);
    return log;
}

static void note(struct tux_log_feed *port, u32 number, i64 wall_ms, u64 turn_ns)
{
    char head[128];
    struct tux_log_facts told = facts;
    told.wall_ms = wall_ms;
    snprintf(head, sizeof head, "GET %u HTTP/1.1\r\nHost: a\r\n\r\n", number);
    tux_log_note(port, text_of(head), &told, turn_ns);
}

static struct tux_log_state state_of(struct tux_log *log)
{
    struct tux_log_state state;
    tux_log_state(log, &state);
    return state;
}

/* Until so many lines are written; the limit only ends a test that has failed already. */
static void await_lines(struct tux_log *log, u64 count)
{
    for (u32 i = 0; state_of(log).lines < count; i++) {
        CHECK(i < CHECK_LIMIT_MS);
        usleep(1000);
    }
}

/* The numbers on the lines of a descriptor, up to its end or `most`. */
static u32 read_numbers(FILE *from, u32 *numbers, u32 most)
{
    u32 count = 0;
    char line[64];
    while (count < most && fgets(line, sizeof line, from)) {
        char *end;
        numbers[count++] = (u32)strtoul(line, &end, 10);
        CHECK(end > line && *end == '\n');
    }
    return count;
}

static void lines_of_several_engines_come_in_the_order_of_time(void)
{
    FILE *file = tmpfile();
    CHECK(file != NULL);
    struct tux_log *log = open_log(dup(fileno(file)), NULL, false);
    struct tux_log_feed *port[3];
    for (u32 i = 0; i < 3; i++) CHECK((port[i] = tux_log_attach(log, -1)) != NULL);
    u64 later_ns = tux_now_ns() + 200000000; /* until then nothing is taken, so all of it is there at once */
    for (u32 i = 0; i < 300; i++) { /* the same milliseconds, then turns; each engine notes in its own order */
        u32 who = i / 100, number = i % 100 * 3 + who;
        note(port[who], number, 1700000000000 + number / 10, later_ns + number);
    }
    await_lines(log, 300);
    for (u32 i = 0; i < 3; i++) tux_log_detach(port[i]);
    struct tux_log_state state;
    tux_log_close(log, &state);
    CHECK_EQ(state.lost, 0);
    u32 numbers[301];
    rewind(file);
    CHECK_EQ(read_numbers(file, numbers, 301), 300);
    for (u32 i = 0; i < 300; i++) CHECK_EQ(numbers[i], i);
    fclose(file);
}

/* A pipe in blocking mode that nobody reads. */
static void a_reader_that_has_stopped_costs_lines(void)
{
    int ends[2];
    CHECK(pipe(ends) == 0);
    struct tux_log *log = open_log(ends[1], NULL, false);
    struct tux_log_feed *port = tux_log_attach(log, -1);
    CHECK(port != NULL);
    const u32 count = 300000;
    for (u32 i = 0; i < count; i++) note(port, i, 1, 1);
    CHECK(state_of(log).lost > 0);
    tux_log_reopen(log); /* has no name: nothing happens */
    tux_log_detach(port);
    struct tux_log_state state;
    u64 began_ms = tux_now_ms();
    tux_log_close(log, &state);
    CHECK(tux_now_ms() - began_ms < CHECK_LIMIT_MS);
    CHECK_EQ(state.lines + state.lost, count);
    FILE *file = fdopen(ends[0], "r");
    CHECK(file != NULL);
    u32 *numbers = calloc(count + 1, sizeof *numbers);
    CHECK(numbers != NULL);
    CHECK_EQ(read_numbers(file, numbers, count + 1), state.lines);
    for (u32 i = 0; i < state.lines; i++) CHECK_EQ(numbers[i], i);
    free(numbers);
    fclose(file);
}

static void a_policy_to_wait_loses_nothing(void)
{
    int ends[2], knock = check_eventfd();
    CHECK(pipe(ends) == 0);
    struct tux_log *log = open_log(ends[1], NULL, true);
    struct tux_log_feed *port = tux_log_attach(log, knock);
    CHECK(port != NULL);
    u32 count = 0;
    while (!port->full) note(port, count++, 1, 1);
    for (u32 i = 0; i < 1000; i++) note(port, count++, 1, 1); /* answers that were under way */
    CHECK_EQ(state_of(log).lost, 0);
    FILE *file = tmpfile();
    u32 *numbers = calloc(count + 1, sizeof *numbers);
    CHECK(file != NULL && numbers != NULL && fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0);
    struct tux_log_state state;
    for (u32 i = 0; state_of(log).lines < count; i++) { /* the reader goes on, so the engine is knocked at */
        char bytes[4096];
        ssize_t n = read(ends[0], bytes, sizeof bytes);
        if (n > 0) CHECK(fwrite(bytes, 1, (size_t)n, file) == (size_t)n);
        u64 knocks;
        if (read(knock, &knocks, sizeof knocks) > 0) tux_log_room(port);
        else if (n <= 0) usleep(1000);
        CHECK(i < 10 * CHECK_LIMIT_MS);
    }
    CHECK(!port->full);
    tux_log_detach(port);
    tux_log_close(log, &state);
    for (char byte; read(ends[0], &byte, 1) == 1;) CHECK(fputc(byte, file) != EOF);
    rewind(file);
    u32 have = read_numbers(file, numbers, count + 1);
    CHECK_EQ(have, count);
    for (u32 i = 0; i < count; i++) CHECK_EQ(numbers[i], i);
    CHECK_EQ(state.lost, 0);
    CHECK_EQ(state.lines, count);
    free(numbers);
    fclose(file);
    close(ends[0]);
    close(knock);
}

/* What is too long goes out in pieces, of which no other is ever the beginning. */
static void lines_longer_than_a_pipe_are_whole(void)
{
    int ends[2];
    CHECK(pipe(ends) == 0);
    struct tux_log *log = open_log(ends[1], NULL, true);
    struct tux_log_feed *port = tux_log_attach(log, -1);
    CHECK(port != NULL);
    static char head[6100];
    memset(head, 'x', sizeof head - 1);
    for (u32 i = 0; i < 200; i++) tux_log_note(port, text_of(head), &facts, 1);
    tux_log_detach(port);
    FILE *file = fdopen(ends[0], "r");
    CHECK(file != NULL);
    static char line[8192];
    u32 lines = 0;
    for (; lines < 200 && fgets(line, sizeof line, file); lines++) {
        size_t length = strlen(line);
        CHECK(length == TUX_LOG_VALUE_BYTES + 4 || length == TUX_LOG_SHORT_BYTES + 4);
        CHECK_TEXT(line + length - 4, "...\n");
    }
    CHECK_EQ(lines, 200);
    struct tux_log_state state;
    tux_log_close(log, &state);
    CHECK_EQ(state.lost, 0);
    fclose(file);
}

/* --- the file ----------------------------------------------------------------------------------------------------- */

static u32 lines_of(const char *path)
{
    FILE *file = fopen(path, "r");
    static u32 numbers[1000];
    if (!file) return 0;
    u32 count = read_numbers(file, numbers, 1000);
    fclose(file);
    return count;
}

static void a_file_is_rotated(void)
{
    char folder[] = "/tmp/tux-log-XXXXXX", path[64], old[64];
    struct stat st;
    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/log", folder);
    snprintf(old, sizeof old, "%s/old", folder);
    struct tux_log *log = open_log(open(path, O_WRONLY | O_CREAT | O_APPEND, 0600), path, false);
    struct tux_log_feed *port = tux_log_attach(log, -1);
    CHECK(port != NULL);
    for (u32 i = 0; i < 10; i++) note(port, i, 1, 1);
    await_lines(log, 10);
    CHECK(rename(path, old) == 0);
    for (u32 i = 0; i < 5; i++) note(port, i, 1, 1);
    tux_log_reopen(log);
    for (u32 i = 0; stat(path, &st) != 0; i++, usleep(1000)) CHECK(i < CHECK_LIMIT_MS);
    for (u32 i = 0; i < 7; i++) note(port, i, 1, 1);
    await_lines(log, 22);
    CHECK_EQ(lines_of(old) + lines_of(path), 22);
    CHECK(lines_of(old) >= 10 && lines_of(path) >= 7);
    CHECK(unlink(path) == 0 && unlink(old) == 0 && rmdir(folder) == 0);
    for (u32 i = 0; state_of(log).reopen_error == 0; i++, usleep(1000)) CHECK(i < CHECK_LIMIT_MS);
    CHECK_EQ(state_of(log).reopen_error, ENOENT);
    note(port, 1, 1, 1); /* and the old one is written on */
    await_lines(log, 23);
    tux_log_detach(port);
    struct tux_log_state state;
    tux_log_close(log, &state);
    CHECK_EQ(state.lost, 0);
}

static void a_full_disk_costs_lines_and_says_so(void)
{
    int fd = open("/dev/full", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return;
    struct tux_log *log = open_log(fd, NULL, true);
    struct tux_log_feed *port = tux_log_attach(log, -1);
    CHECK(port != NULL);
    for (u32 i = 0; i < 100; i++) note(port, i, 1, 1);
    for (u32 i = 0; state_of(log).lost < 100; i++, usleep(1000)) CHECK(i < CHECK_LIMIT_MS);
    CHECK_EQ(state_of(log).error, ENOSPC);
    tux_log_detach(port);
    struct tux_log_state state;
    tux_log_close(log, &state);
    CHECK_EQ(state.lines, 0);
    CHECK_EQ(state.lost, 100);
}

int main(void)
{
    lines_are_whole();
    what_is_no_format_is_refused();
    lines_of_several_engines_come_in_the_order_of_time();
    a_reader_that_has_stopped_costs_lines();
    a_policy_to_wait_loses_nothing();
    lines_longer_than_a_pipe_are_whole();
    a_file_is_rotated();
    a_full_disk_costs_lines_and_says_so();
    return 0;
}
