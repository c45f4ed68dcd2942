/* outlet.c: how each kind of descriptor is written to. */
#include "base/outlet.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/file_abi.h"

#define PIPE_BYTES 4096     /* PIPE_BUF: written in one piece, and a writable pipe has room for it */
#define TERMINAL_BYTES 256  /* room that a writable terminal in blocking mode has */

void tux_outlet_open(struct tux_outlet *outlet, int fd)
{
    struct stat st = {0};
    int flags = fcntl(fd, F_GETFL);
    (void)fstat(fd, &st);
    *outlet = (struct tux_outlet){.fd = fd, .device = st.st_dev, .inode = st.st_ino,
                                  .nonblocking = flags >= 0 && (flags & O_NONBLOCK)};
    outlet->kind = S_ISFIFO(st.st_mode)   ? TUX_OUTLET_PIPE
                   : S_ISSOCK(st.st_mode) ? TUX_OUTLET_SOCKET
                   : S_ISCHR(st.st_mode)  ? TUX_OUTLET_TERMINAL
                                          : TUX_OUTLET_FILE;
}

void tux_outlet_close(struct tux_outlet *outlet)
{
    if (outlet->fd >= 0) close(outlet->fd);
    outlet->fd = -1;
}

/* The length of the whole lines that a pipe takes at once. */
static size_t piece_of(const u8 *bytes, size_t length)
{
    if (length <= PIPE_BYTES) return length;
    size_t whole = PIPE_BYTES;
    while (whole > 0 && bytes[whole - 1] != '\n') whole--;
    return whole ? whole : PIPE_BYTES;
}

static bool is_writable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    return poll(&p, 1, 0) == 1;
}

/* For a pipe or a terminal in blocking mode. Newer kernels have a flag against waiting; with others it must be
 * writable, and a piece is so small that it then fits, unless another process writes at the same moment. */
static ssize_t write_carefully(struct tux_outlet *outlet, const u8 *bytes, size_t length)
{
    struct iovec piece = {(void *)(uintptr_t)bytes, length};
    if (outlet->kind == TUX_OUTLET_PIPE) {
        ssize_t n = pwritev2(outlet->fd, &piece, 1, -1, RWF_NOWAIT);
        if (n >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL && errno != EPERM)) return n;
    }
    if (!is_writable(outlet->fd)) {
        errno = EAGAIN;
        return -1;
    }
    size_t most = outlet->kind == TUX_OUTLET_PIPE ? PIPE_BYTES : TERMINAL_BYTES;
    return write(outlet->fd, bytes, length < most ? length : most);
}

i64 tux_outlet_write(struct tux_outlet *outlet, const u8 *bytes, size_t length)
{
    ssize_t n;
    if (outlet->fd < 0) return -EBADF;
    if (outlet->kind == TUX_OUTLET_PIPE) length = piece_of(bytes, length);
    do {
        if (outlet->kind == TUX_OUTLET_SOCKET) n = send(outlet->fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
        else if (outlet->kind == TUX_OUTLET_FILE || outlet->nonblocking) n = write(outlet->fd, bytes, length);
        else n = write_carefully(outlet, bytes, length);
    } while (n < 0 && errno == EINTR);
    if (n > 0) return n;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return 0;
    return n < 0 ? -errno : -ENOSPC;
}

bool tux_outlet_is_elsewhere(const struct tux_outlet *outlet, const char *path)
{
    struct stat st;
    return stat(path, &st) < 0 || st.st_dev != outlet->device || st.st_ino != outlet->inode;
}
