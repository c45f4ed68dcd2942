/* test_memory.c: memory, threads and the kernel's goodwill are bad input. The Nth allocation fails, for every N, and so
 * does the Nth wait for events, while an engine is opened, serves, runs chains and is closed: the caller is refused or
 * the client's connection ends, and nothing stops the process or stays behind.
 *
 * The linker puts the functions below in the place of the C library's (Makefile: WRAP_test_memory). */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

#include "draft.h"

enum { SLOTS = 8, RUNS = 4, LIMIT_MS = 20000, URING_ENTER = 426 };

/* --- what fails -------------------------------------------------------------------------------------------------- */

static _Atomic int allocations, waits, listeners_fail; /* so many more listeners are not taken into an epoll set */
static int fail_at, wait_fails_at, wait_error; /* counted from 1; 0: none */

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *block, size_t bytes);
void *__real_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
int __real_eventfd(unsigned value, int flags);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*body)(void *), void *argument);
int __real_epoll_wait(int epoll, struct epoll_event *events, int most, int timeout_ms);
int __real_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event);
long __real_syscall(long number, long a, long b, long c, long d, long e, long f);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *block, size_t bytes);
void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
int __wrap_eventfd(unsigned value, int flags);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*body)(void *), void *argument);
int __wrap_epoll_wait(int epoll, struct epoll_event *events, int most, int timeout_ms);
int __wrap_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f);

static bool refused(void)
{
    if (fail_at == 0 || atomic_fetch_add(&allocations, 1) + 1 != fail_at) return false;
    errno = ENOMEM;
    return true;
}

static bool wait_refused(void)
{
    if (wait_fails_at == 0 || atomic_fetch_add(&waits, 1) + 1 != wait_fails_at) return false;
    errno = wait_error;
    return true;
}

void *__wrap_malloc(size_t bytes) { return refused() ? NULL : __real_malloc(bytes); }
void *__wrap_calloc(size_t count, size_t bytes) { return refused() ? NULL : __real_calloc(count, bytes); }
void *__wrap_realloc(void *block, size_t bytes) { return refused() ? NULL : __real_realloc(block, bytes); }
int __wrap_eventfd(unsigned value, int flags) { return refused() ? -1 : __real_eventfd(value, flags); }

void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    return refused() ? MAP_FAILED : __real_mmap(at, bytes, protection, flags, fd, offset);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*body)(void *), void *argument)
{
    return refused() ? EAGAIN : __real_pthread_create(thread, attr, body, argument);
}

int __wrap_epoll_wait(int epoll, struct epoll_event *events, int most, int timeout_ms)
{
    return wait_refused() ? -1 : __real_epoll_wait(epoll, events, most, timeout_ms);
}

int __wrap_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    int listens = 0;
    socklen_t length = sizeof listens;
    bool listener = getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) == 0 && listens;
    if (!listener || operation != EPOLL_CTL_ADD || atomic_load(&listeners_fail) == 0)
        return __real_epoll_ctl(epoll, operation, fd, event);
    atomic_fetch_sub(&listeners_fail, 1);
    errno = ENOMEM;
    return -1;
}

long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    return number == URING_ENTER && wait_refused() ? -1 : __real_syscall(number, a, b, c, d, e, f);
}

/* --- a library's engine ------------------------------------------------------------------------------------------ */

static bool is_refusal(int result) { return result == -ENOMEM || result == -EAGAIN || result == -ENOBUFS; }

static struct tux_options options_of(const char *backend, int notify)
{
    return (struct tux_options){.slots = SLOTS, .workers = 2, .notify_fd = notify, .backend = backend};
}

/* NULL where memory was refused. */
static struct tux_chain *chain_of(struct draft *d)
{
    u8 bytes[DRAFT_BYTES_MAX];
    char error[TUX_ERROR_BYTES] = "";
    struct tux_chain *chain = NULL;
    int failed = tux_chain_open(bytes, draft_encode(d, bytes), 1, &chain, error);
    if (failed) CHECK_EQ(failed, -ENOMEM);
    return failed ? NULL : chain;
}

/* Sleeps, opens a file on a worker, reads it. */
static struct draft working(void)
{
    static const u64 how[3] = {O_RDONLY | O_CLOEXEC, 0, 0};
    struct draft d = draft_new();
    u16 ns = draft_param(&d), cwd = draft_const(&d, AT_FDCWD), path = draft_data(&d, "/proc/self/stat", 16);
    u16 open_how = draft_data(&d, how, 24), bytes = draft_const(&d, 24), fd = draft_fd(&d);
    u16 buffer = draft_buffer(&d, 64), size = draft_const(&d, 64);
    DRAFT_ATOM(&d, nanosleep, 0, TUX_NONE16, 1, ns);
    DRAFT_ATOM(&d, openat2, SYSLET_STOP_ON_NEGATIVE | SYSLET_ASYNC, fd, 2, cwd, path, open_how, bytes);
    DRAFT_ATOM(&d, read, SYSLET_STOP_ON_NEGATIVE, TUX_NONE16, 3, fd, buffer, size);
    DRAFT_ATOM(&d, close, 0, TUX_NONE16, TUX_NONE16, fd);
    return d;
}

static void rest(int notify)
{
    struct pollfd p = {.fd = notify, .events = POLLIN};
    u64 said;
    CHECK(poll(&p, 1, LIMIT_MS) == 1);
    CHECK(read(notify, &said, sizeof said) > 0);
}

static void end(struct tux_completion *c)
{
    CHECK(c->reason == TUX_REASON_END || c->result < 0);
    if (c->record) tux_record_close(c->record);
}

/* So many runs of it, which all come to an end, unless they are refused together. */
static void run_all(struct tux_engine *e, int notify, struct tux_chain *chain, u16 flags, i64 ns)
{
    static const u16 cell[1] = {0};
    i64 params[RUNS] = {ns, ns, ns, ns};
    struct tux_completion out[RUNS];
    struct tux_submission s = {.chain = chain, .param_cells = cell, .params = params, .param_count = 1, .runs = RUNS,
                               .keep_cell = TUX_NONE16, .flags = (u16)(TUX_EXEC_KEEP | flags), .cookie = 9};
    int done = tux_engine_exec(e, &s, out);
    if (done < 0) {
        CHECK(is_refusal(done));
        return;
    }
    for (int i = 0; i < done; i++) end(&out[i]);
    for (int some; done < RUNS; done += some) {
        some = tux_engine_completions(e, out, RUNS);
        for (int i = 0; i < some; i++) end(&out[i]);
        if (some == 0) rest(notify);
    }
}

static void library(const char *backend)
{
    char why[TUX_ERROR_BYTES] = "";
    int notify = __real_eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    struct tux_options options = options_of(backend, notify);
    struct tux_engine *e;
    struct draft d = working();
    struct tux_chain *chain = chain_of(&d);
    int failed = tux_engine_open(&options, &e, why);
    if (failed) {
        CHECK(failed == -ENOMEM || failed == -EAGAIN || failed == -EBADR || failed == -EIO);
        CHECK(why[0] != 0);
    }
    if (!failed && chain) {
        static const u16 ways[] = {0, TUX_EXEC_AWAY, TUX_EXEC_SHARE, TUX_EXEC_TRACE};
        for (size_t i = 0; i < TUX_COUNT(ways); i++) run_all(e, notify, chain, ways[i], 1000);
        i64 late = (i64)1 << 60;
        static const u16 cell[1] = {0};
        struct tux_completion out;
        struct tux_submission s = {.chain = chain, .param_cells = cell, .params = &late, .param_count = 1, .runs = 1,
                                   .keep_cell = TUX_NONE16, .cookie = 7};
        if (tux_engine_exec(e, &s, &out) == 0) {
            CHECK_EQ(tux_engine_cancel(e, 7), 0); /* there is a command in reserve */
            while (tux_engine_completions(e, &out, 1) == 0) rest(notify);
        }
    }
    if (!failed) tux_engine_close(e);
    if (chain) tux_chain_close(chain);
    close(notify);
}

/* --- a server's -------------------------------------------------------------------------------------------------- */

static const char ANSWER[] = "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 2\r\n\r\nok";

static struct draft life(void)
{
    struct draft d = draft_new();
    const u16 negative = SYSLET_STOP_ON_NEGATIVE, leave = SYSLET_STOP_ON_NON_POSITIVE | SYSLET_SKIP_TO_NEXT_ON_STOP;
    u16 listener = draft_param(&d), connection = draft_fd(&d), head = draft_int(&d, 0), decision = draft_int(&d, 0);
    u16 none = draft_const(&d, 0), minus = draft_const(&d, -1), counter = draft_cell(&d, TUX_SHARED, 0);
    DRAFT_ATOM(&d, accept4, negative, connection, 1, listener, none);
    DRAFT_ATOM(&d, recv_head, leave, head, 3, connection);
    DRAFT_ATOM(&d, getpid, 0, TUX_NONE16, 7, 0);
    DRAFT_ATOM(&d, decide, leave, decision, 5, head);
    DRAFT_ATOM(&d, getpid, 0, TUX_NONE16, 7, 0);
    DRAFT_ATOM(&d, respond, leave, TUX_NONE16, 1, connection, decision);
    DRAFT_ATOM(&d, getpid, 0, TUX_NONE16, 7, 0);
    DRAFT_ATOM(&d, close, 0, TUX_NONE16, 8, connection);
    DRAFT_ATOM(&d, umem_add, SYSLET_STOP_ON_NON_POSITIVE, TUX_NONE16, 0, counter, minus);
    return d;
}

struct server {
    struct tux_engine *engine;
    struct sockaddr_in address;
    int listener, notify;
};

/* Whoever has no memory for an answer closes the connection. */
static void judge(struct server *s)
{
    struct tux_miss misses[SLOTS];
    u64 said;
    if (read(s->notify, &said, sizeof said) < 0) CHECK(errno == EAGAIN);
    int count = tux_engine_misses(s->engine, misses, SLOTS);
    for (int i = 0; i < count; i++) {
        struct draft d = draft_response(ANSWER, sizeof ANSWER - 1);
        u8 bytes[DRAFT_BYTES_MAX];
        char error[TUX_ERROR_BYTES];
        struct tux_response_options options = {
            .chain = bytes, .chain_bytes = draft_encode(&d, bytes), .file = -1, .status = 200, .keep = 1,
            .cacheable = 1, .date_at = 23,
        };
        struct tux_response *response = NULL;
        int failed = tux_response_open(&options, &response, error);
        CHECK(failed == 0 || failed == -ENOMEM);
        CHECK_EQ(tux_engine_answer(s->engine, misses[i].slot, misses[i].generation, failed ? NULL : response), 0);
        tux_engine_knock(s->engine);
    }
}

/* Send it in two pieces, so that some of it must be kept. True: the whole answer came; else the connection ended. */
static bool ask(struct server *s, int fd, const char *name)
{
    char request[128], got[sizeof ANSWER];
    int length = snprintf(request, sizeof request, "GET /%s HTTP/1.1\r\nHost: x\r\n\r\n", name), half = length / 2;
    if (send(fd, request, (size_t)half, MSG_NOSIGNAL) != half) return false;
    struct pollfd pause = {.fd = fd, .events = POLLIN};
    if (poll(&pause, 1, 2) == 1) return false;
    if (send(fd, request + half, (size_t)(length - half), MSG_NOSIGNAL) != length - half) return false;
    for (size_t have = 0; have < sizeof ANSWER - 1;) {
        struct pollfd p[2] = {{.fd = fd, .events = POLLIN}, {.fd = s->notify, .events = POLLIN}};
        CHECK(poll(p, 2, LIMIT_MS) > 0); /* an answer or an end, never silence */
        judge(s);
        if (!p[0].revents) continue;
        ssize_t n = recv(fd, got, sizeof ANSWER - 1 - have, 0);
        if (n <= 0) return false;
        have += (size_t)n;
    }
    return true;
}

static int client_of(struct server *s)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int yes = 1; /* the second piece of a request does not wait for the first one's acknowledgement */
    CHECK(fd >= 0 && setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) == 0);
    CHECK(connect(fd, (struct sockaddr *)&s->address, sizeof s->address) == 0);
    return fd;
}

static void serve(struct server *s)
{
    static const char *const names[] = {"host"};
    const struct tux_class classes[] = {{.number = 0}, {.first = {[10] = 0xFF, [11] = 0xFF}, .number = 1}};
    const struct tux_rules rules = {.number = 1, .significant = names, .significant_count = 1, .classes = classes,
                                    .class_count = 2, .head_bytes_max = 4096, .head_ms = 60000, .idle_ms = 60000,
                                    .send_ms = 60000};
    int fault = tux_engine_rules(s->engine, &rules);
    CHECK(fault == 0 || fault == -ENOMEM);
    for (int round = 0; round < 3; round++) {
        int fd = client_of(s);
        for (int i = 0; i < 3 && ask(s, fd, i == 1 ? "b" : "a"); i++) continue;
        close(fd);
        tux_engine_forget(s->engine);
    }
    int last = client_of(s); /* what failed once is well again */
    bool first = ask(s, last, "c");
    close(last);
    last = client_of(s);
    CHECK(first | ask(s, last, "c"));
    close(last);
    tux_engine_shared_set(s->engine, 0, 0);
    CHECK_EQ(tux_engine_shed(s->engine, 0, 1, 0), 0);
    CHECK_EQ(tux_engine_drain(s->engine, UINT64_MAX, 1, 0), 0);
}

static void server(const char *backend)
{
    static const char *const significant[] = {"host"};
    static const struct tux_http_options http = {
        .cache_entries_max = 16, .cache_bytes_max = 1 << 20, .linger_ms = 500,
        .rules = {.significant = significant, .significant_count = 1, .head_bytes_max = 4096, .head_ms = 60000,
                  .idle_ms = 60000, .send_ms = 60000},
    };
    char why[TUX_ERROR_BYTES] = "";
    socklen_t length = sizeof(struct sockaddr_in);
    struct server s = {.address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};
    s.notify = __real_eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    s.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(s.listener, (struct sockaddr *)&s.address, length) == 0 && listen(s.listener, 16) == 0);
    CHECK(getsockname(s.listener, (struct sockaddr *)&s.address, &length) == 0);
    struct draft d = life();
    struct tux_chain *chain = chain_of(&d);
    struct tux_options options = options_of(backend, s.notify);
    options.http = &http;
    int failed = tux_engine_open(&options, &s.engine, why);
    if (!failed) {
        struct tux_param param = {.cell = 0, .value = s.listener};
        tux_engine_shared_set(s.engine, 0, 1000000);
        int refusal = chain ? tux_engine_submit(s.engine, chain, &param, 1, 0, SLOTS, 0) : -ENOMEM;
        if (refusal) CHECK_EQ(refusal, -ENOMEM);
        else serve(&s);
        tux_engine_close(s.engine);
    }
    if (chain) tux_chain_close(chain);
    close(s.listener);
    close(s.notify);
}

/* --- every N ----------------------------------------------------------------------------------------------------- */

static int open_descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 1024; fd++) count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void every_allocation(void (*scenario)(const char *), const char *backend)
{
    int before = open_descriptors();
    for (fail_at = 1; ; fail_at++) {
        atomic_store(&allocations, 0);
        scenario(backend);
        CHECK_EQ(open_descriptors(), before);
        if (atomic_load(&allocations) < fail_at) break;
    }
    CHECK(fail_at > 10);
    fail_at = 0;
}

static void every_wait(void (*scenario)(const char *), const char *backend)
{
    static const int errors[] = {EINTR, EAGAIN, EBUSY, ENOMEM, EBADR};
    for (size_t i = 0; i < TUX_COUNT(errors); i++) {
        if (strcmp(backend, "epoll") == 0 && errors[i] == EBADR) continue; /* only a ring says so */
        wait_error = errors[i];
        for (wait_fails_at = 1; wait_fails_at < 16; wait_fails_at++) {
            atomic_store(&waits, 0);
            scenario(backend);
        }
        wait_fails_at = 0;
    }
}

/* Clients are served by and by, though nothing happens that would make the engine look at its listeners again. */
static void every_listener(const char *backend)
{
    if (strcmp(backend, "epoll") != 0) return;
    atomic_store(&listeners_fail, 3);
    server(backend);
    CHECK_EQ(atomic_load(&listeners_fail), 0);
}

int main(void)
{
    static const char *const backends[] = {"uring", "epoll"};
    for (size_t i = 0; i < TUX_COUNT(backends); i++) {
        library(backends[i]);
        every_listener(backends[i]);
        every_allocation(library, backends[i]);
        every_allocation(server, backends[i]);
        every_wait(library, backends[i]);
        every_wait(server, backends[i]);
    }
    return 0;
}
