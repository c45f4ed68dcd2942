/* pool.c: a list under a lock, which is held for two assignments. */
#include "base/pool.h"

#include <pthread.h>

struct idle {
    struct idle *next;
};

struct tux_pool {
    pthread_mutex_t lock;
    struct idle *idle;
    size_t block_bytes;
    u64 out; /* blocks in use */
    u32 waiting, most;
    bool closed;
    bool forgotten; /* this is a child, and the lock may be held by a thread of the parent */
};

struct tux_pool *tux_pool_open(size_t block_bytes)
{
    struct tux_pool *pool = calloc(1, sizeof *pool);
    if (!pool) return NULL;
    TUX_ASSERT(block_bytes >= sizeof(struct idle));
    pthread_mutex_init(&pool->lock, NULL);
    pool->block_bytes = block_bytes;
    pool->most = (u32)(TUX_IDLE_BYTES_MAX / block_bytes);
    return pool;
}

void *tux_pool_take(struct tux_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    struct idle *block = pool->idle;
    if (block) {
        pool->idle = block->next;
        pool->waiting--;
    }
    pool->out++;
    pthread_mutex_unlock(&pool->lock);
    if (block) return block;
    block = malloc(pool->block_bytes);
    if (!block) tux_pool_give(pool, NULL);
    return block;
}

void tux_pool_give(struct tux_pool *pool, void *block)
{
    if (pool->forgotten) return;
    pthread_mutex_lock(&pool->lock);
    if (block && !pool->closed && pool->waiting < pool->most) {
        ((struct idle *)block)->next = pool->idle;
        pool->idle = block;
        pool->waiting++;
        block = NULL;
    }
    bool last = --pool->out == 0 && pool->closed;
    pthread_mutex_unlock(&pool->lock);
    free(block);
    if (!last) return;
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

void tux_pool_close(struct tux_pool *pool)
{
    if (!pool) return;
    pthread_mutex_lock(&pool->lock);
    pool->closed = true;
    pool->out++; /* ours, for as long as this takes */
    struct idle *idle = pool->idle;
    pool->idle = NULL;
    pthread_mutex_unlock(&pool->lock);
    for (struct idle *next; idle; idle = next) {
        next = idle->next;
        free(idle);
    }
    tux_pool_give(pool, NULL);
}

void tux_pool_forget(struct tux_pool *pool) { pool->forgotten = true; }
