/* file_abi.h: the part of the kernel's interface to files that some installed headers lack, so that a build
 * needs no particular header. Values are ABI and never change: openat2(2), preadv2(2), cachestat(2). */
#ifndef TUX_FILE_ABI_H
#define TUX_FILE_ABI_H

#include "base/base.h"

enum { SYS_OPENAT2 = 437, SYS_CACHESTAT = 451 };

#ifndef RWF_NOWAIT
#define RWF_NOWAIT 0x00000008
#endif

enum {
    TUX_RESOLVE_NO_MAGICLINKS = 0x02, TUX_RESOLVE_NO_SYMLINKS = 0x04, TUX_RESOLVE_BENEATH = 0x08,
    TUX_RESOLVE_CACHED = 0x20 /* only what is in memory; else -EAGAIN */
};

/* struct open_how in its first version: this size is what chains hold. */
struct tux_open_how {
    u64 flags, mode, resolve;
};

#endif
