/* floor 1 · outlet.h: a descriptor that lines go to, whatever it is, and no write waits for its reader.
 *
 * A pipe, a terminal or a socket may be in blocking mode and shared with other processes, so that mode is not ours to
 * change: each kind is asked in its own way to take what it can at once. Only a file on a disk or in a network may
 * still hold the thread that writes. */
#ifndef TUX_OUTLET_H
#define TUX_OUTLET_H

#include "base.h"

enum tux_outlet_kind { TUX_OUTLET_FILE, TUX_OUTLET_PIPE, TUX_OUTLET_SOCKET, TUX_OUTLET_TERMINAL };

struct tux_outlet {
    int fd; /* -1: none */
    enum tux_outlet_kind kind;
    bool nonblocking; /* the descriptor is in that mode already */
    u64 device, inode;
};

/* Takes the descriptor over. */
void tux_outlet_open(struct tux_outlet *outlet, int fd);
void tux_outlet_close(struct tux_outlet *outlet);
/* Bytes taken; 0 when the reader takes nothing now; or -errno. To a pipe go whole lines where they fit, so that they
 * stay whole beside those of other writers. */
i64 tux_outlet_write(struct tux_outlet *outlet, const u8 *bytes, size_t length);
/* Whether the name leads to another file by now, or to none. */
bool tux_outlet_is_elsewhere(const struct tux_outlet *outlet, const char *path);

#endif
