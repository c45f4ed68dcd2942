/* samples.h: a few bytes of a file, to tell later whether it was changed.
 *
 * fstat(2) says the same of a file that was written to and of one that was only touched. So samples are kept while it
 * is sent, 64 bytes of every 32 KiB, of a large file 256 such pieces, and read again later. If a 128th of the file is
 * overwritten with other bytes at one place, a sample always differs; a smaller change may fall between two samples. */
#ifndef TUX_SAMPLES_H
#define TUX_SAMPLES_H

#include "base/base.h"

#define TUX_SAMPLES_MAX 256u
#define TUX_SAMPLE_BYTES 64u
#define TUX_SAMPLE_STEP_LEAST (32u << 10)

struct tux_samples {
    u64 step, salt;   /* one sample lies somewhere in each step */
    u32 count, taken; /* the first `taken` of them have been read */
    u64 value[];
};

/* The memory for samples of a file of this size. */
size_t tux_samples_bytes(u64 file_size);
/* None is read yet; NULL when out of memory. `salt` says where in its step each one lies. */
struct tux_samples *tux_samples_open(u64 file_size, u64 salt);
/* Read the samples that are missing, as far as the kernel has them in memory: it waits for no disk. Their number; they
 * count only once the caller raises `taken` by it. */
u32 tux_samples_read(struct tux_samples *samples, int fd);
/* Compare `most` samples at the most, spread over those that were taken: are they unchanged? Samples that are not in
 * memory are skipped, unless `all` is set: then each sample must have been taken, and must be in memory. */
bool tux_samples_hold(const struct tux_samples *samples, int fd, u32 most, bool all);

#endif
