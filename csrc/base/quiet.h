/* quiet.h: descriptors that do not make a thread wait, even if their owner left them in blocking mode.
 *
 * RWF_NOWAIT, MSG_DONTWAIT and SPLICE_F_NONBLOCK are requests: whether the kernel honours them depends on the kind of
 * file. All kinds that can be polled honour O_NONBLOCK of the open file. */
#ifndef TUX_QUIET_H
#define TUX_QUIET_H

#include "base/base.h"

struct tux_quiet {
    int fd;
    bool ours; /* opened here, so close it: tux_quiet_close */
};

/* The same file for reading or writing (O_RDONLY, O_WRONLY), in non-blocking mode. Terminals and fifos are opened once
 * more, since other processes share them (a shell and its programs) and need their own mode; the mode of all other
 * files is changed. -errno: -EBADF when `fd` is not open for that, -EPIPE for a fifo without a reader. */
int tux_quiet_open(struct tux_quiet *quiet, int fd, int access);
void tux_quiet_close(const struct tux_quiet *quiet);

/* The socket is in non-blocking mode from now on. 0 or -errno: -ENOTSOCK. */
int tux_never_block(int fd);

/* Is it a file or a disk? A poll says nothing about these: only a worker can wait for them. */
bool tux_is_file(int fd);

/* The next close(2) of it does not wait for the peer, as that of a socket with SO_LINGER does even with O_NONBLOCK.
 * Bytes in the socket are still sent. */
void tux_do_not_linger(int fd);

/* The next close(2) of the socket resets the connection: bytes in the socket are not sent. */
void tux_reset_when_closed(int fd);

#endif
