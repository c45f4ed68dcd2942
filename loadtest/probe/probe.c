/* The limit probe: what a request costs on this kernel when the server does nothing.
 *
 *     probe --backend epoll|uring --port PORT --body BYTES [--close]
 *
 * It takes whatever one receive brings for one request and sends an answer made before the first one came: no head is
 * parsed, no name looked up, no time read. Whatever a real server costs above this is the server's own doing; what is
 * below it nobody can save. It listens on the loopback address only and prints its URL when it is ready. */
#include "probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

/* The fields a static server sends, so that the head has the usual length. */
static const char HEAD[] = "HTTP/1.1 200 OK\r\n"
                           "Server: probe\r\n"
                           "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
                           "Content-Type: application/octet-stream\r\n"
                           "Content-Length: %zu\r\n"
                           "Last-Modified: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
                           "Connection: %s\r\n"
                           "ETag: \"0-0\"\r\n"
                           "Accept-Ranges: bytes\r\n\r\n";

static void die(const char *what)
{
    fprintf(stderr, "probe: %s: %s\n", what, strerror(errno));
    exit(1);
}

static struct answer answer_make(size_t body, bool close_after)
{
    struct answer answer = {.file = -1, .close_after = close_after};
    size_t room = sizeof HEAD + 64 + (body <= PROBE_SMALL_BYTES ? body : 0);
    answer.bytes = malloc(room);
    if (answer.bytes == NULL) die("memory");
    answer.bytes_length = (size_t)snprintf(answer.bytes, room, HEAD, body, close_after ? "close" : "keep-alive");
    if (body <= PROBE_SMALL_BYTES) {
        memset(answer.bytes + answer.bytes_length, 'x', body);
        answer.bytes_length += body;
        return answer;
    }
    answer.file = memfd_create("body", MFD_CLOEXEC);
    answer.file_length = body;
    if (answer.file < 0 || ftruncate(answer.file, (off_t)body) < 0) die("body");
    static char page[4096];
    memset(page, 'x', sizeof page);
    for (size_t at = 0; at < body; at += sizeof page) {
        size_t length = body - at < sizeof page ? body - at : sizeof page;
        if (pwrite(answer.file, page, length, (off_t)at) != (ssize_t)length) die("body");
    }
    return answer;
}

enum progress answer_send(const struct answer *answer, int fd, size_t *sent)
{
    int flags = MSG_NOSIGNAL | MSG_DONTWAIT | (answer->file_length > 0 ? MSG_MORE : 0);
    while (*sent < answer->bytes_length) {
        ssize_t n = send(fd, answer->bytes + *sent, answer->bytes_length - *sent, flags);
        if (n < 0) return errno == EAGAIN ? PROGRESS_FULL : PROGRESS_BROKEN;
        *sent += (size_t)n;
    }
    while (*sent < answer->bytes_length + answer->file_length) {
        off_t at = (off_t)(*sent - answer->bytes_length);
        ssize_t n = sendfile(fd, answer->file, &at, answer->file_length - (size_t)at);
        if (n < 0) return errno == EAGAIN ? PROGRESS_FULL : PROGRESS_BROKEN;
        if (n == 0) return PROGRESS_BROKEN; /* the file was cut; asking again would never end */
        *sent += (size_t)n;
    }
    *sent = 0;
    return PROGRESS_DONE;
}

static int listener_open(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    socklen_t length = sizeof address;
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0) die("socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* accepted sockets inherit it */
    setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&address, length) < 0) die("bind");
    if (listen(fd, 4096) < 0) die("listen");
    if (getsockname(fd, (struct sockaddr *)&address, &length) < 0) die("getsockname");
    printf("http://127.0.0.1:%u/\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"backend", required_argument, NULL, 'b'}, {"port", required_argument, NULL, 'p'},
        {"body", required_argument, NULL, 'n'},    {"close", no_argument, NULL, 'c'},
        {NULL, 0, NULL, 0},
    };
    const char *backend = "epoll";
    size_t body = 1024;
    unsigned port = 0;
    bool close_after = false;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 'b': backend = optarg; break;
        case 'p': port = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'n': body = strtoul(optarg, NULL, 10); break;
        case 'c': close_after = true; break;
        default: fprintf(stderr, "usage: probe --backend epoll|uring --port PORT --body BYTES [--close]\n"); return 2;
        }
    }
    bool uring = strcmp(backend, "uring") == 0;
    if (!uring && strcmp(backend, "epoll") != 0) {
        fprintf(stderr, "probe: no such backend: %s\n", backend);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN); /* sendfile(2) has no MSG_NOSIGNAL */
    struct answer answer = answer_make(body, close_after);
    int listener = listener_open(port);
    return uring ? run_uring(listener, &answer) : run_epoll(listener, &answer);
}
