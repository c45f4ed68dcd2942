/* pace: asks for one small file at a steady rate and says how long the answers took.
 *
 *   pace PORT PATH CONNECTIONS RATE SECONDS
 *
 * A closed loop would ask less while the server hangs, and so hide the hang. Here each request has its time, and an
 * answer is as late as it comes after that, also when no connection was free to ask on. What has not come some seconds
 * after the end counts as if it came then. Prints one line of JSON. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 256, REQUESTS_MAX = 2000000, ANSWER_MAX = 1 << 20, LIMIT_S = 5 };

static struct pollfd wait_for[CONNECTIONS_MAX];
static uint64_t due[CONNECTIONS_MAX]; /* when its request was to be sent; 0: it is free */
static size_t got[CONNECTIONS_MAX], answer_bytes;
static uint32_t *took_us, answered;
static char request[512], buffer[ANSWER_MAX + 1];

static void die(const char *what)
{
    fprintf(stderr, "pace: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int connect_to(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) die("connecting");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){.tv_sec = 2 * LIMIT_S}, sizeof(struct timeval));
    return fd;
}

/* The first answer says how long all of them are. */
static void learn_length(int fd)
{
    size_t have = 0;
    if (send(fd, request, strlen(request), MSG_NOSIGNAL) < 0) die("asking");
    for (;;) {
        ssize_t n = recv(fd, buffer + have, ANSWER_MAX - have, 0);
        if (n <= 0) die("no whole answer");
        have += (size_t)n;
        buffer[have] = 0;
        const char *end = strstr(buffer, "\r\n\r\n"), *length = strcasestr(buffer, "\r\nContent-Length: ");
        if (!end) continue;
        if (strncmp(buffer, "HTTP/1.1 200 ", 13) != 0 || !length || length > end) die("not a good answer");
        answer_bytes = (size_t)(end + 4 - buffer) + strtoul(length + 18, NULL, 10);
        if (have >= answer_bytes) return;
    }
}

static void take(unsigned i, uint64_t now)
{
    ssize_t n = recv(wait_for[i].fd, buffer, ANSWER_MAX, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0 || !due[i]) die("the connection ended");
    got[i] += (size_t)n;
    if (got[i] < answer_bytes) return;
    if (got[i] > answer_bytes) die("an answer of another length");
    took_us[answered++] = (uint32_t)((now - due[i]) / 1000);
    due[i] = 0;
}

/* The time is over: what is out, and what could not be asked any more, has taken until now. */
static unsigned give_up(unsigned connections, uint64_t start, uint64_t step, uint64_t asked, uint64_t total,
                        uint64_t now)
{
    unsigned missing = 0;
    for (unsigned i = 0; i < connections; i++) {
        if (!due[i]) continue;
        took_us[answered++] = (uint32_t)((now - due[i]) / 1000);
        missing++;
    }
    for (; asked < total; asked++, missing++) took_us[answered++] = (uint32_t)((now - start - asked * step) / 1000);
    return missing;
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static unsigned percentile(double share) { return took_us[(size_t)((double)(answered - 1) * share)]; }

int main(int argc, char **argv)
{
    if (argc != 6) return 2;
    unsigned port = (unsigned)strtoul(argv[1], NULL, 10), connections = (unsigned)strtoul(argv[3], NULL, 10);
    uint64_t rate = strtoul(argv[4], NULL, 10), total = rate * strtoul(argv[5], NULL, 10), asked = 0;
    if (connections == 0 || connections > CONNECTIONS_MAX || rate == 0 || total == 0 || total > REQUESTS_MAX) return 2;
    took_us = calloc(total, sizeof *took_us);
    int length = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", argv[2]);
    if (!took_us || length >= (int)sizeof request) return 2;
    struct sched_param first = {.sched_priority = 1}; /* our own waiting is not to be measured; where that is allowed */
    (void)sched_setscheduler(0, SCHED_FIFO, &first);
    for (unsigned i = 0; i < connections; i++) {
        wait_for[i] = (struct pollfd){.fd = connect_to(port), .events = POLLIN};
        learn_length(wait_for[i].fd);
    }
    uint64_t start = now_ns(), step = 1000000000u / rate, end = start + total * step + LIMIT_S * 1000000000ull;
    unsigned missing = 0;
    while (answered < total) {
        uint64_t now = now_ns(), next = start + asked * step;
        if (now > end) {
            missing = give_up(connections, start, step, asked, total, now);
            break;
        }
        for (unsigned i = 0; i < connections && asked < total && now >= next; i++) {
            if (due[i]) continue;
            due[i] = next;
            got[i] = 0;
            if (send(wait_for[i].fd, request, (size_t)length, MSG_NOSIGNAL) != length) die("asking");
            next = start + ++asked * step;
        }
        uint64_t rest = asked == total || now >= next ? 100000000u : next - now; /* if it is time, none is free */
        struct timespec limit = {.tv_sec = 0, .tv_nsec = (long)rest};
        if (ppoll(wait_for, connections, &limit, NULL) < 0 && errno != EINTR) die("waiting");
        now = now_ns();
        for (unsigned i = 0; i < connections; i++)
            if (wait_for[i].revents) take(i, now);
    }
    double seconds = (double)(now_ns() - start) / 1e9;
    qsort(took_us, answered, sizeof *took_us, by_size);
    printf("{\"requests\": %u, \"missing\": %u, \"seconds\": %.3f, \"p50_us\": %u, \"p99_us\": %u, \"p999_us\": %u, "
           "\"most_us\": %u}\n",
           answered, missing, seconds, percentile(0.5), percentile(0.99), percentile(0.999), percentile(1));
    return 0;
}
