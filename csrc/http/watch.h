/* watch.h: changes of files that are being sent, by inotify(7). fstat(2) says the same of a file that was
 * written to and of one that was touched; inotify tells the two apart, and a write through a mapping makes no event at
 * all. For one engine's thread. */
#ifndef TUX_WATCH_H
#define TUX_WATCH_H

#include "base/base.h"

#define TUX_WATCHES_MAX 512

struct tux_watch {
    int wd; /* -1: free, or the kernel has dropped it */
    u32 users;
    u32 written, touched; /* events of each kind so far */
};

struct tux_watches {
    int fd; /* -1: inotify is not available */
    u32 taken;
    struct tux_watch watch[TUX_WATCHES_MAX];
};

void tux_watches_open(struct tux_watches *w);
void tux_watches_close(struct tux_watches *w);
/* Watch an open file from now on. NULL if that fails: no room, no /proc, no right to read it any more. */
struct tux_watch *tux_watch_begin(struct tux_watches *w, int file);
void tux_watch_end(struct tux_watches *w, struct tux_watch *watch);
/* Count the events until now. */
void tux_watches_read(struct tux_watches *w);

#endif
