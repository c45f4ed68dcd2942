/* The probe by readiness: epoll_wait, then accept4, recv and send without waiting.
 *
 * Every socket is registered once, edge-triggered, for both directions; nothing is changed afterwards. A receive that
 * brings less than the buffer has emptied the socket, so it is not asked again. */
#include "probe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static struct {
    size_t sent;
    bool sending, registered;
} connections[PROBE_CONNECTIONS_MAX];

static void hang_up(int fd)
{
    memset(&connections[fd], 0, sizeof connections[fd]);
    close(fd);
}

static void serve(int fd, const struct answer *answer)
{
    static char input[PROBE_INPUT_BYTES];
    for (;;) {
        if (!connections[fd].sending) {
            ssize_t n = recv(fd, input, sizeof input, MSG_DONTWAIT);
            if (n < 0 && errno == EAGAIN) return;
            if (n <= 0) {
                hang_up(fd);
                return;
            }
        }
        bool resumed = connections[fd].sending;
        enum progress progress = answer_send(answer, fd, &connections[fd].sent);
        connections[fd].sending = progress == PROGRESS_FULL;
        if (progress == PROGRESS_FULL) return;
        if (progress == PROGRESS_BROKEN || answer->close_after) {
            hang_up(fd);
            return;
        }
        if (!resumed) return; /* after a resumed send a request may have come whose edge is past */
    }
}

/* A connection is registered only when its first request left it open: one request a connection costs no epoll_ctl. */
static void welcome(int epoll, int listener, const struct answer *answer)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        if (fd >= PROBE_CONNECTIONS_MAX) {
            close(fd);
            continue;
        }
        connections[fd].registered = true;
        serve(fd, answer);
        if (!connections[fd].registered) continue;
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.fd = fd};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) hang_up(fd);
    }
}

int run_epoll(int listener, const struct answer *answer)
{
    static struct epoll_event events[256];
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) < 0) {
        perror("probe: epoll");
        return 1;
    }
    for (;;) {
        int count = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                welcome(epoll, listener, answer);
            } else if (connections[fd].registered) {
                serve(fd, answer);
            }
        }
    }
}
