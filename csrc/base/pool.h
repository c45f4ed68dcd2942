/* pool.h: blocks of one size that are used again, so that a thousand runs touch the same memory instead of
 * asking the kernel for fresh pages. A block may outlive the pool's owner. */
#ifndef TUX_POOL_H
#define TUX_POOL_H

#include "base/base.h"

struct tux_pool;

/* NULL when there is no memory. Idle blocks take at most TUX_IDLE_BYTES_MAX. */
struct tux_pool *tux_pool_open(size_t block_bytes);
/* Any thread: a block, with the bytes of its last use, or NULL. */
void *tux_pool_take(struct tux_pool *pool);
void tux_pool_give(struct tux_pool *pool, void *block);
/* No block is taken any more; the pool is freed with its last block. NULL does nothing. */
void tux_pool_close(struct tux_pool *pool);
/* In a child of fork(2): blocks are no longer given back, and the lock is not taken. */
void tux_pool_forget(struct tux_pool *pool);

#endif
