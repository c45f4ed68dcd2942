/* quiet.c: non-blocking mode, without changing it for other processes that share the open file. */
#include "base/quiet.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

/* The master of a pseudo-terminal is no terminal here: its name would open another one. */
static bool is_terminal(int fd)
{
    struct termios mode;
    unsigned number;
    return tcgetattr(fd, &mode) == 0 && ioctl(fd, TIOCGPTN, &number) < 0;
}

/* Another open file of the same fifo or terminal; -errno where /proc or the file's rights do not allow that. */
static int opened_again(int fd, int access)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int again = open(path, access | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    return again < 0 ? -errno : again;
}

static bool is_open_for(int flags, int access)
{
    int mode = flags & O_ACCMODE;
    return !(flags & O_PATH) && (mode == O_RDWR || mode == access);
}

int tux_quiet_open(struct tux_quiet *quiet, int fd, int access)
{
    struct stat st;
    int flags = fcntl(fd, F_GETFL);
    *quiet = (struct tux_quiet){.fd = fd};
    if (flags < 0) return -errno;
    if (!is_open_for(flags, access)) return -EBADF;
    if (flags & O_NONBLOCK) return 0;
    if (fstat(fd, &st) == 0 && (S_ISFIFO(st.st_mode) || (S_ISCHR(st.st_mode) && is_terminal(fd)))) {
        int again = opened_again(fd, access);
        if (again == -ENXIO && S_ISFIFO(st.st_mode)) return -EPIPE;
        if (again >= 0) {
            *quiet = (struct tux_quiet){.fd = again, .ours = true};
            return 0;
        }
    }
    return fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

void tux_quiet_close(const struct tux_quiet *quiet)
{
    if (quiet->ours) close(quiet->fd);
}

int tux_never_block(int fd)
{
    struct stat st;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fstat(fd, &st) < 0) return -errno;
    if (!S_ISSOCK(st.st_mode)) return -ENOTSOCK;
    return flags & O_NONBLOCK || fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 ? 0 : -errno;
}

bool tux_is_file(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode));
}

/* Set SO_LINGER with a time of zero, or take it away. */
static void set_linger(int fd, bool on)
{
    struct linger linger = {.l_onoff = on, .l_linger = 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

void tux_do_not_linger(int fd)
{
    struct linger linger = {0};
    socklen_t bytes = sizeof linger;
    if (getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &bytes) < 0 || !linger.l_onoff || linger.l_linger == 0) return;
    set_linger(fd, false);
}

void tux_reset_when_closed(int fd) { set_linger(fd, true); }
