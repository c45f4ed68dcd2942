/* check.h: what every unit program shares.
 *
 * A program is one main: it returns 0 when every property holds, ends with 1 and the place at the first that does not,
 * and with 77 and a reason where this kernel cannot show it. Nobody sleeps for luck and nobody names a port. */
#ifndef TUX_CHECK_H
#define TUX_CHECK_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/base.h"

#define CHECK(condition)                                                                  \
    do {                                                                                  \
        if (!(condition)) check_failed(__FILE__, __LINE__, #condition);                   \
    } while (0)

/* Two numbers that must be equal; both are printed when they are not. */
#define CHECK_EQ(got, wanted)                                                             \
    do {                                                                                  \
        i64 got_ = (i64)(got), wanted_ = (i64)(wanted);                                   \
        if (got_ != wanted_) check_differs(__FILE__, __LINE__, #got, got_, wanted_);      \
    } while (0)

#define CHECK_TEXT(got, wanted)                                                           \
    do {                                                                                  \
        const char *got_ = (got), *wanted_ = (wanted);                                    \
        if (strcmp(got_, wanted_) != 0) check_text_differs(__FILE__, __LINE__, got_, wanted_); \
    } while (0)

_Noreturn static inline void check_failed(const char *file, int line, const char *condition)
{
    fprintf(stderr, "%s:%d: not true: %s (errno: %s)\n", file, line, condition, strerror(errno));
    exit(1);
}

_Noreturn static inline void check_differs(const char *file, int line, const char *what, i64 got, i64 wanted)
{
    fprintf(stderr, "%s:%d: %s is %lld, not %lld\n", file, line, what, (long long)got, (long long)wanted);
    exit(1);
}

_Noreturn static inline void check_text_differs(const char *file, int line, const char *got, const char *wanted)
{
    fprintf(stderr, "%s:%d: got \"%s\", not \"%s\"\n", file, line, got, wanted);
    exit(1);
}

/* A random number that is the same in every run of the program (splitmix64). */
static inline u64 check_random(u64 *state)
{
    u64 z = (*state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static inline u32 check_below(u64 *state, u64 limit) { return (u32)(check_random(state) % limit); }

/* Memory that ends where nothing may be touched: one byte too far, read or written, stops the program. */
struct check_guard {
    u8 *end;
    size_t bytes;
};

static inline struct check_guard check_guard_open(size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (bytes + page - 1) / page * page;
    u8 *memory = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    CHECK(mprotect(memory + room, page, PROT_NONE) == 0);
    return (struct check_guard){.end = memory + room, .bytes = room};
}

/* Room for exactly `length` bytes in front of the guard. */
static inline u8 *check_guard_room(const struct check_guard *guard, size_t length)
{
    CHECK(length <= guard->bytes);
    return guard->end - length;
}

static inline u8 *check_guard_put(const struct check_guard *guard, const void *bytes, size_t length)
{
    u8 *room = check_guard_room(guard, length);
    if (length > 0) memcpy(room, bytes, length);
    return room;
}

static inline void check_pair(int pair[2])
{
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
}

static inline int check_eventfd(void)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    CHECK(fd >= 0);
    return fd;
}

static inline bool check_is_open(int fd) { return fcntl(fd, F_GETFD) >= 0; }

/* Whether `fd` becomes readable; the limit only ends a test that has failed already. */
static inline bool check_readable(int fd, int limit_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, limit_ms) == 1;
}

#define CHECK_LIMIT_MS 10000

/* A listener on the loopback, at a port of the kernel's choice. */
static inline int check_listener(struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t length = sizeof *address;
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    CHECK(fd >= 0);
    CHECK(bind(fd, (struct sockaddr *)address, length) == 0);
    CHECK(listen(fd, 128) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)address, &length) == 0);
    return fd;
}

static inline int check_connect(const struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    CHECK(connect(fd, (const struct sockaddr *)address, sizeof *address) == 0);
    return fd;
}

#endif
