/* call.h: what each call of the white list does. */
#ifndef TUX_CALL_H
#define TUX_CALL_H

#include "chain/run.h"

/* The plain system calls, by number; entries of the HTTP engine are NULL. */
extern const tux_perform tux_plain_calls[TUX_CALLS_MAX];

#define TUX_PERFORMS(name) i64 tux_call_##name(struct tux_stage *, struct tux_run *, const struct tux_atom *)
/* call_bytes.c */
TUX_PERFORMS(read);
TUX_PERFORMS(pread);
TUX_PERFORMS(readv);
TUX_PERFORMS(write);
TUX_PERFORMS(writev);
/* call_files.c */
TUX_PERFORMS(pwrite);
TUX_PERFORMS(statx);
TUX_PERFORMS(getdents64);
TUX_PERFORMS(fsync);
TUX_PERFORMS(fdatasync);
TUX_PERFORMS(fallocate);
TUX_PERFORMS(ftruncate);
TUX_PERFORMS(renameat2);
TUX_PERFORMS(unlinkat);
TUX_PERFORMS(mkdirat);
TUX_PERFORMS(fadvise64);
TUX_PERFORMS(readahead);
/* call_sockets.c */
TUX_PERFORMS(socket);
TUX_PERFORMS(bind);
TUX_PERFORMS(listen);
TUX_PERFORMS(connect);
TUX_PERFORMS(getsockopt);
TUX_PERFORMS(splice);
TUX_PERFORMS(poll);
TUX_PERFORMS(sendmsg);
TUX_PERFORMS(pipe2);
#undef TUX_PERFORMS

#endif
