/* test_engine.c: a whole engine with a judge, so that the sanitizers see every crossing between threads: submit,
 * misses, answers, checks by workers, completions, cancel, drain and close. Clients and judge are this thread. */
#include <netinet/in.h>

#include "draft.h"

enum { SLOTS = 64, CLIENTS = 16, ROUNDS = 40 };

static const char REQUEST[] = "GET /%d HTTP/1.1\r\nHost: x\r\nUser-Agent: %d\r\n\r\n";
static const char ANSWER[] = "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 2\r\n\r\nok";
static const char *const SIGNIFICANT[] = {"host", "connection"};

struct stand {
    struct tux_engine *engine;
    struct tux_chain *chain;
    int listener, notify, root;
    u16 port, listener_cell;
};

/* The life cycle, as tuxpy/atoms/lifecycle.py has it. */
static struct draft life(u16 *listener)
{
    struct draft d = draft_new();
    int on = 1;
    *listener = draft_param(&d);
    u16 connection = draft_fd(&d), head = draft_int(&d, 0), decision = draft_int(&d, 0);
    u16 yes = draft_data(&d, &on, sizeof on), four = draft_const(&d, sizeof on), none = draft_const(&d, 0);
    u16 tcp = draft_const(&d, IPPROTO_TCP), nodelay = draft_const(&d, 1), minus = draft_const(&d, -1);
    u16 counter = draft_cell(&d, TUX_SHARED, 0);
    const u16 negative = SYSLET_STOP_ON_NEGATIVE, leave = SYSLET_STOP_ON_NON_POSITIVE | SYSLET_SKIP_TO_NEXT_ON_STOP;
    DRAFT_ATOM(&d, accept4, negative, connection, 1, *listener, none);
    DRAFT_ATOM(&d, setsockopt, negative, TUX_NONE16, 2, connection, tcp, nodelay, yes, four);
    DRAFT_ATOM(&d, recv_head, leave, head, 4, connection);
    DRAFT_ATOM(&d, getpid, 0, TUX_NONE16, 8, 0);
    DRAFT_ATOM(&d, decide, leave, decision, 6, head);
    DRAFT_ATOM(&d, getpid, 0, TUX_NONE16, 8, 0);
    DRAFT_ATOM(&d, respond, leave, TUX_NONE16, 2, connection, decision);
    DRAFT_ATOM(&d, getpid, 0, TUX_NONE16, 8, 0);
    DRAFT_ATOM(&d, close, 0, TUX_NONE16, 9, connection);
    DRAFT_ATOM(&d, umem_add, SYSLET_STOP_ON_NON_POSITIVE, TUX_NONE16, 0, counter, minus);
    return d;
}

static int stand_open(struct stand *s, const char *backend)
{
    char why[TUX_ERROR_BYTES];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    s->notify = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    s->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    CHECK(s->root >= 0 && bind(s->listener, (struct sockaddr *)&address, length) == 0 && listen(s->listener, 64) == 0);
    CHECK(getsockname(s->listener, (struct sockaddr *)&address, &length) == 0);
    s->port = ntohs(address.sin_port);
    const struct tux_http_options http = {
        .cache_entries_max = 64, .cache_bytes_max = 1 << 20, .linger_ms = 500,
        .rules = {.significant = SIGNIFICANT, .significant_count = 2, .head_bytes_max = 4096, .head_ms = 5000,
                  .idle_ms = 5000, .send_ms = 5000},
    };
    const struct tux_options options = {
        .slots = SLOTS, .workers = 2, .notify_fd = s->notify, .backend = backend, .http = &http,
    };
    int failed = tux_engine_open(&options, &s->engine, why);
    if (failed) {
        printf("%s: %s\n", backend, why);
        return failed;
    }
    struct draft d = life(&s->listener_cell);
    u8 bytes[DRAFT_BYTES_MAX];
    char error[TUX_ERROR_BYTES];
    CHECK_EQ(tux_chain_open(bytes, draft_encode(&d, bytes), 1, &s->chain, error), 0);
    tux_engine_shared_set(s->engine, 0, 1000000);
    struct tux_param param = {.cell = s->listener_cell, .value = s->listener};
    CHECK_EQ(tux_engine_submit(s->engine, s->chain, &param, 1, 7, SLOTS, 0), 0);
    CHECK_EQ(tux_engine_submit(s->engine, s->chain, &param, 1, 7, 1, 0), -ENOBUFS);
    return 0;
}

static void judge(struct stand *s)
{
    u64 knocks;
    struct tux_miss misses[8];
    if (read(s->notify, &knocks, sizeof knocks) < 0) CHECK(errno == EAGAIN);
    for (int n; (n = tux_engine_misses(s->engine, misses, 8)) > 0;)
        for (int i = 0; i < n; i++) {
            struct draft d = draft_response(ANSWER, sizeof ANSWER - 1);
            u8 bytes[DRAFT_BYTES_MAX];
            char error[TUX_ERROR_BYTES];
            struct tux_witness_facts witness = {.root_fd = s->root, .path = "no such file"};
            struct tux_response_options options = {
                .chain = bytes, .chain_bytes = draft_encode(&d, bytes), .file = -1, .status = 200, .keep = 1,
                .cacheable = 1, .date_at = 23, .witnesses = &witness, .witness_count = 1,
            };
            struct tux_response *response;
            CHECK(misses[i].head_bytes > 20 && memcmp(misses[i].head, "GET /", 5) == 0);
            CHECK_EQ(tux_response_open(&options, &response, error), 0);
            CHECK_EQ(tux_engine_answer(s->engine, misses[i].slot, misses[i].generation, response), 0);
            tux_engine_knock(s->engine);
        }
}

static int client_open(const struct stand *s)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(s->port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    return fd;
}

static void client_read(struct stand *s, int fd)
{
    size_t wanted = sizeof ANSWER - 1;
    char got[sizeof ANSWER];
    while (wanted > 0) {
        struct pollfd p[2] = {{.fd = fd, .events = POLLIN}, {.fd = s->notify, .events = POLLIN}};
        CHECK(poll(p, 2, 10000) > 0);
        judge(s);
        if (!(p[0].revents & POLLIN)) continue;
        ssize_t n = recv(fd, got, wanted, 0);
        CHECK(n > 0);
        wanted -= (size_t)n;
    }
}

/* Rules change while questions and checks are under way; classes come and go. */
static void change_rules(struct stand *s, u32 number)
{
    static const char *const names[] = {"host"};
    const struct tux_class classes[] = {{.number = 0}, {.first = {[10] = 0xFF, [11] = 0xFF}, .number = 1}};
    const struct tux_rules rules = {.number = number, .significant = names, .significant_count = 1,
                                    .classes = classes, .class_count = number % 2 ? TUX_COUNT(classes) : 0,
                                    .head_bytes_max = 4096, .head_ms = 10000, .idle_ms = 60000, .send_ms = 30000};
    CHECK_EQ(tux_engine_rules(s->engine, &rules), 0);
}

static void wait_settled(struct stand *s, u32 number)
{
    while (tux_engine_rules_settled(s->engine) < number) {
        struct pollfd p = {.fd = s->notify, .events = POLLIN};
        CHECK(poll(&p, 1, 10000) > 0);
        judge(s);
    }
}

static void talk(struct stand *s)
{
    int client[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) client[i] = client_open(s);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < CLIENTS; i++) {
            char request[128];
            int length = snprintf(request, sizeof request, REQUEST, (round + i) % 5, round * CLIENTS + i);
            CHECK_EQ(send(client[i], request, (size_t)length, 0), length);
        }
        change_rules(s, (u32)round + 1);
        for (int i = 0; i < CLIENTS; i++) client_read(s, client[i]);
    }
    wait_settled(s, ROUNDS);
    for (int i = 0; i < CLIENTS / 2; i++) close(client[i]); /* the others are open when the engine ends */
    u64 metrics[128];
    CHECK(tux_metric_count() <= TUX_COUNT(metrics));
    tux_engine_metrics(s->engine, metrics);
    for (u32 i = 0; i < tux_metric_count(); i++)
        if (strcmp(tux_metric_name(i), "requests") == 0) CHECK_EQ(metrics[i], CLIENTS * ROUNDS);
}

/* Drained or cancelled, every run leaves its completion. */
static void stand_end(struct stand *s, bool drained)
{
    tux_engine_shared_set(s->engine, 0, 0);
    if (drained) tux_engine_drain(s->engine, UINT64_MAX, 1, 0);
    else CHECK_EQ(tux_engine_cancel(s->engine, 7), 0);
    u32 ended = 0;
    while (ended < SLOTS) {
        struct tux_completion completions[16];
        struct pollfd p = {.fd = s->notify, .events = POLLIN};
        CHECK(poll(&p, 1, 10000) > 0);
        judge(s);
        for (int n; (n = tux_engine_completions(s->engine, completions, 16)) > 0; ended += (u32)n)
            for (int i = 0; i < n; i++) CHECK_EQ(completions[i].cookie, 7);
    }
}

static int whole_life(const char *backend, bool ends_first, bool drained)
{
    struct stand s;
    int failed = stand_open(&s, backend);
    if (!failed) {
        talk(&s);
        if (ends_first) stand_end(&s, drained);
        tux_engine_forget(s.engine);
        tux_engine_close(s.engine);
        tux_chain_close(s.chain);
    }
    close(s.listener);
    close(s.notify);
    close(s.root);
    return failed;
}

int main(void)
{
    for (int way = 0; way < 3; way++) CHECK_EQ(whole_life("epoll", way > 0, way > 1), 0);
    for (int way = 0; way < 3; way++)
        if (whole_life("uring", way > 0, way > 1) != 0) {
            printf("no io_uring here: shown on epoll only\n");
            return 77;
        }
    return 0;
}
