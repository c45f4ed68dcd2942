/* floor 1 · quiet.h: descriptors that do not make a thread wait, whatever mode their owner has left them in.
 *
 * RWF_NOWAIT, MSG_DONTWAIT and SPLICE_F_NONBLOCK are requests: whether they are kept depends on the kind of file and on
 * the kernel. O_NONBLOCK of the open file itself is kept by all kinds that can be waited for. */
#ifndef TUX_QUIET_H
#define TUX_QUIET_H

#include "base.h"

struct tux_quiet {
    int fd;
    bool ours; /* opened here, so close it: tux_quiet_close */
};

/* The same file for reading or writing (O_RDONLY, O_WRONLY), in non-blocking mode. Terminals and fifos are opened once
 * more, since others share them (a shell, its other programs) and must not find another mode; anything else is changed.
 * -errno: -EBADF when `fd` is not open for that, -EPIPE for a fifo that nobody reads. */
int tux_quiet_open(struct tux_quiet *quiet, int fd, int access);
void tux_quiet_close(const struct tux_quiet *quiet);

/* The socket is in non-blocking mode from now on. 0 or -errno: -ENOTSOCK. */
int tux_never_block(int fd);

/* Is it a file or a disk? A poll says nothing about these: only a worker can wait for them. */
bool tux_is_file(int fd);

/* The next close(2) of it does not wait for the peer, as a socket with SO_LINGER does, O_NONBLOCK or not. What is left
 * is still sent. */
void tux_do_not_linger(int fd);

/* The next close(2) of the socket resets the connection: what is left is not sent. */
void tux_reset_when_closed(int fd);

#endif
