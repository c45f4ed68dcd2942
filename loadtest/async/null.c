/* null.c: what an atom costs. The null call (getpid) made 64 x N times as a bare system call, and by 64 runs of a chain
 * of N atoms, submitted as one batch to an engine of this process. N is 1, 2, 4, 8, and the two take turns.
 *
 *     null [TIMES]              prints for each N: atoms, nanoseconds a bare call, nanoseconds an atom */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "chain/atom.h"

enum { BATCH = 64, ROUNDS = 41, ATOMS_MOST = 8 };

struct wire {
    struct tux_chain_header header;
    struct tux_atom atom[ATOMS_MOST];
};

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *samples)
{
    qsort(samples, ROUNDS, sizeof *samples, by_size);
    return samples[ROUNDS / 2];
}

static struct tux_chain *nothing(u16 atoms)
{
    struct wire wire = {.header = {.magic = TUX_CHAIN_MAGIC, .atoms = atoms}};
    for (u16 i = 0; i < atoms; i++) {
        u16 next = i + 1 < atoms ? (u16)(i + 1) : TUX_NONE16;
        wire.atom[i] = (struct tux_atom){.call = TUX_CALL_getpid, .ret = TUX_NONE16, .next = next};
        for (int a = 0; a < TUX_ARGS_MAX; a++) wire.atom[i].args[a] = TUX_NONE16;
    }
    struct tux_chain *chain;
    char error[160];
    size_t bytes = sizeof wire.header + atoms * sizeof wire.atom[0];
    if (tux_chain_open((const u8 *)&wire, bytes, 0, &chain, error) != 0) {
        fprintf(stderr, "null: %s\n", error);
        exit(1);
    }
    return chain;
}

static double bare(int times, int atoms)
{
    double began = now_ns();
    for (int i = 0; i < times * BATCH * atoms; i++) syscall(SYS_getpid);
    return (now_ns() - began) / ((double)times * BATCH * atoms);
}

static double chained(struct tux_engine *engine, struct tux_chain *chain, int times, int atoms)
{
    struct tux_completion out[BATCH];
    struct tux_submission s = {.chain = chain, .runs = BATCH, .keep_cell = TUX_NONE16};
    double began = now_ns();
    for (int i = 0; i < times; i++)
        if (tux_engine_exec(engine, &s, out) != BATCH) exit(2);
    return (now_ns() - began) / ((double)times * BATCH * atoms);
}

int main(int count, char **word)
{
    int times = count > 1 ? (int)strtoul(word[1], NULL, 10) : 200;
    char why[160];
    struct tux_options options = {
        .slots = BATCH, .workers = 1, .notify_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), .backend = "auto",
    };
    struct tux_engine *engine;
    if (tux_engine_open(&options, &engine, why) != 0) {
        fprintf(stderr, "null: %s\n", why);
        return 1;
    }
    for (u16 atoms = 1; atoms <= ATOMS_MOST; atoms = (u16)(2 * atoms)) {
        struct tux_chain *chain = nothing(atoms);
        double bare_ns[ROUNDS], chain_ns[ROUNDS];
        for (int i = 0; i < ROUNDS; i++) {
            bare_ns[i] = bare(times, atoms);
            chain_ns[i] = chained(engine, chain, times, atoms);
        }
        printf("%d %.1f %.1f\n", atoms, median(bare_ns), median(chain_ns));
        tux_chain_close(chain);
    }
    tux_engine_close(engine);
    close(options.notify_fd);
    return 0;
}
