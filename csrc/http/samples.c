/* samples.c: positions are random within their step, so that no regular pattern of a file falls between them. */
#include "http/samples.h"

#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/file_abi.h"

static u32 count_for(u64 file_size)
{
    u64 count = file_size / TUX_SAMPLE_STEP_LEAST;
    return count == 0 ? 1 : (u32)tux_min_u64(count, TUX_SAMPLES_MAX);
}

size_t tux_samples_bytes(u64 file_size)
{
    return sizeof(struct tux_samples) + count_for(file_size) * sizeof(u64);
}

struct tux_samples *tux_samples_open(u64 file_size, u64 salt)
{
    struct tux_samples *s = malloc(tux_samples_bytes(file_size));
    if (!s) return NULL;
    u32 count = count_for(file_size);
    *s = (struct tux_samples){.step = file_size / count, .salt = salt, .count = count};
    return s;
}

static u64 mixed(u64 x)
{
    __uint128_t product = (__uint128_t)(x ^ 0x9E3779B97F4A7C15u) * 0xD6E8FEB86659FD93u;
    return (u64)product ^ (u64)(product >> 64);
}

static u64 place_of(const struct tux_samples *s, u32 i)
{
    u64 room = s->step > TUX_SAMPLE_BYTES ? s->step - TUX_SAMPLE_BYTES : 0;
    return i * s->step + (room ? mixed(s->salt + i) % room : 0);
}

/* The value of sample i now; false when it is not in memory. */
static bool sample(const struct tux_samples *s, int fd, u32 i, u64 *value)
{
    u64 words[TUX_SAMPLE_BYTES / sizeof(u64)] = {0};
    const struct iovec one = {words, sizeof words};
    long n = syscall(SYS_preadv2, fd, &one, 1L, (long)place_of(s, i), 0L, RWF_NOWAIT);
    if (n <= 0) return false;
    *value = (u64)n;
    for (unsigned k = 0; k < TUX_COUNT(words); k++) *value = mixed(*value ^ words[k]);
    return true;
}

u32 tux_samples_read(struct tux_samples *s, int fd)
{
    u32 i = s->taken;
    while (i < s->count && sample(s, fd, i, &s->value[i])) i++;
    return i - s->taken;
}

bool tux_samples_hold(const struct tux_samples *s, int fd, u32 most, bool all)
{
    if (all && s->taken < s->count) return false;
    u32 count = s->taken < most ? s->taken : most;
    for (u32 k = 0; k < count; k++) {
        u32 i = count < s->taken ? (u32)((u64)k * s->taken / count) : k;
        u64 now;
        bool told = sample(s, fd, i, &now);
        if (told ? now != s->value[i] : all) return false;
    }
    return true;
}
