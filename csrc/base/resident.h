/* resident.h: are these bytes of a file in memory? Found without waiting for them, in the way that is right
 * for the kind of file system (resident.c). */
#ifndef TUX_RESIDENT_H
#define TUX_RESIDENT_H

#include "base/base.h"

/* Where the pages of a file are, by its file system. */
enum tux_store {
    TUX_STORE_UNASKED, /* only a worker may ask: statfs(2) of a network can take for ever */
    TUX_STORE_CACHED,  /* in the page cache, under this very file */
    TUX_STORE_STACKED, /* in the page cache, under another file: overlayfs */
    TUX_STORE_MEMORY,  /* the file system has no other storage */
    TUX_STORE_FAR,     /* on a server that may be asked again even for pages in memory */
};

enum tux_resident { TUX_ABSENT, TUX_RESIDENT, TUX_UNSURE };

/* By `f_type` of statfs(2). */
enum tux_store tux_store_of_type(u64 type);
/* The same for an open file. May block. */
enum tux_store tux_store_of(int fd);

/* Are the bytes [from, to) of this open file in memory? At most TUX_WINDOW_BYTES of them. Never waits for a disk.
 * TUX_UNSURE: the kernel cannot say. */
enum tux_resident tux_resident(enum tux_store store, int fd, u64 from, u64 to);

/* For workers: begin to read [from, to); it may wait for some of it. */
void tux_read_ahead(int fd, u64 from, u64 to);
/* Read [from, to) into memory, waiting for it: the end of what there was to read, or -EIO. */
i64 tux_read_in(int fd, u64 from, u64 to);

#endif
