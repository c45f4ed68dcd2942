/* outlet.h: a descriptor of any kind to which lines are written without waiting for a reader.
 *
 * A pipe, a terminal or a socket may be in blocking mode and shared with other processes, so we must not change that
 * mode: for each kind there is a way to write only as much as it takes at once. Only a file on a disk or a network may
 * still block the writing thread. */
#ifndef TUX_OUTLET_H
#define TUX_OUTLET_H

#include "base/base.h"

enum tux_outlet_kind { TUX_OUTLET_FILE, TUX_OUTLET_PIPE, TUX_OUTLET_SOCKET, TUX_OUTLET_TERMINAL };

struct tux_outlet {
    int fd; /* -1: none */
    enum tux_outlet_kind kind;
    bool nonblocking; /* the descriptor is in that mode already */
    u64 device, inode;
};

/* Takes over the descriptor. */
void tux_outlet_open(struct tux_outlet *outlet, int fd);
void tux_outlet_close(struct tux_outlet *outlet);
/* The bytes written; 0 when the reader takes none now; or -errno. A pipe gets whole lines where they fit, so that they
 * stay whole among those of other writers. */
i64 tux_outlet_write(struct tux_outlet *outlet, const u8 *bytes, size_t length);
/* Does the name lead to another file by now, or to none? */
bool tux_outlet_is_elsewhere(const struct tux_outlet *outlet, const char *path);

#endif
