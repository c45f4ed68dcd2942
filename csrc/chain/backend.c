/* backend.c: what both back-ends do alike. */
#include "chain/backend.h"

#include <sys/socket.h>

int tux_backend_accept(u32 listener, int socket_fd, u32 *wanted, struct tux_event *events, int max)
{
    int count = 0;
    while (count < max && *wanted > 0) {
        int fd = accept4(socket_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EINTR || errno == ECONNABORTED)) continue;
        if (fd < 0 && errno == EAGAIN) break;
        i64 result = fd < 0 ? -errno : fd;
        events[count++] = (struct tux_event){.kind = TUX_EVENT_ACCEPTED, .slot = listener, .result = result};
        if (fd < 0) break;
        --*wanted;
    }
    return count;
}
