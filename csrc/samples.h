/* floor 1 · samples.h: a file as it was, told by a few of its bytes.
 *
 * What fstat(2) says of a file that was written to and of one that was only touched is the same. Who needs to know, in
 * the middle of sending it, has kept 64 bytes of every 32 KiB, of a large file 256 such pieces, and reads them again. A
 * writer who changes a 128th of the file at one place is always seen, if the bytes are others; a smaller change may
 * fall between two samples. */
#ifndef TUX_SAMPLES_H
#define TUX_SAMPLES_H

#include "base.h"

#define TUX_SAMPLES_MAX 256u
#define TUX_SAMPLE_BYTES 64u
#define TUX_SAMPLE_STEP_LEAST (32u << 10)

struct tux_samples {
    u64 step, salt;   /* one sample lies somewhere in each step */
    u32 count, taken; /* the first `taken` of them have been read */
    u64 value[];
};

/* The memory that samples of a file of this size need. */
size_t tux_samples_bytes(u64 file_size);
/* None is read yet; NULL when out of memory. `salt` says where in its step each one lies. */
struct tux_samples *tux_samples_open(u64 file_size, u64 salt);
/* Read those that are not read yet, as far as the kernel has them in memory: it waits for no disk. How many; they count
 * only once `taken` is raised by that number. */
u32 tux_samples_read(struct tux_samples *samples, int fd);
/* Are at most `most` of them, spread over those that were taken, what they were? What is not in memory is passed over,
 * unless `all` of the file must be told: then each sample must have been taken, and must be in memory. */
bool tux_samples_hold(const struct tux_samples *samples, int fd, u32 most, bool all);

#endif
