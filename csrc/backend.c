/* backend.c: what both back-ends do alike. */
#include "backend.h"

#include <sys/socket.h>

int tux_backend_accept(u32 port, int listener, u32 *wanted, struct tux_event *events, int max)
{
    int count = 0;
    while (count < max && *wanted > 0) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EINTR || errno == ECONNABORTED)) continue;
        if (fd < 0 && errno == EAGAIN) break;
        events[count++] = (struct tux_event){.kind = TUX_EVENT_ACCEPTED, .slot = port, .result = fd < 0 ? -errno : fd};
        if (fd < 0) break;
        --*wanted;
    }
    return count;
}
