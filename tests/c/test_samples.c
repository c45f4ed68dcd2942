/* test_samples.c: a file that is being sent, told by samples of its bytes and by inotify(7). */
#include "http/samples.h"

#include <sys/stat.h>

#include "check.h"
#include "http/watch.h"

#define FILE_BYTES (1u << 20)

static int new_file(void)
{
    static u8 content[FILE_BYTES];
    char path[] = "/tmp/tux-samples-XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    CHECK_EQ(unlink(path), 0);
    for (u32 i = 0; i < FILE_BYTES; i++) content[i] = (u8)(i * 2654435761u >> 13);
    CHECK_EQ(pwrite(fd, content, sizeof content, 0), FILE_BYTES);
    return fd;
}

static struct tux_samples *taken_of(int fd)
{
    struct tux_samples *s = tux_samples_open(FILE_BYTES, 11);
    CHECK(s);
    s->taken = tux_samples_read(s, fd);
    CHECK_EQ(s->taken, s->count);
    return s;
}

static void samples_tell_what_was_written_over(void)
{
    static const u8 zeros[2 * TUX_SAMPLE_STEP_LEAST];
    int fd = new_file();
    struct tux_samples *s = taken_of(fd);
    CHECK(tux_samples_hold(s, fd, TUX_SAMPLES_MAX, true));
    CHECK_EQ(pwrite(fd, "more", 4, FILE_BYTES), 4); /* longer: what was there is there */
    CHECK(tux_samples_hold(s, fd, TUX_SAMPLES_MAX, true));
    for (u64 at = 0; at + sizeof zeros <= FILE_BYTES; at += sizeof zeros) { /* two steps hold a whole sample */
        struct tux_samples *now = taken_of(fd);
        CHECK_EQ(pwrite(fd, zeros, sizeof zeros, (off_t)at), (i64)sizeof zeros);
        CHECK(!tux_samples_hold(now, fd, TUX_SAMPLES_MAX, false));
        free(now);
    }
    free(s);
    CHECK_EQ(close(fd), 0);
}

/* For all of the file each sample must have been taken, and must be there. */
static void what_cannot_be_told_differs(void)
{
    int fd = new_file();
    struct tux_samples *s = taken_of(fd);
    s->taken--;
    CHECK(tux_samples_hold(s, fd, TUX_SAMPLES_MAX, false));
    CHECK(!tux_samples_hold(s, fd, TUX_SAMPLES_MAX, true));
    s->taken++;
    CHECK_EQ(ftruncate(fd, 0), 0);
    CHECK(tux_samples_hold(s, fd, TUX_SAMPLES_MAX, false)); /* none is there: nothing is said */
    CHECK(!tux_samples_hold(s, fd, TUX_SAMPLES_MAX, true));
    free(s);
    CHECK_EQ(close(fd), 0);
}

static void small_files_have_one_sample(void)
{
    for (u64 bytes = 0; bytes < 200; bytes += 63) {
        struct tux_samples *s = tux_samples_open(bytes, 3);
        CHECK(s);
        CHECK_EQ(s->count, 1);
        CHECK_EQ(s->taken, 0);
        free(s);
    }
    CHECK_EQ(tux_samples_bytes(1ull << 60), sizeof(struct tux_samples) + TUX_SAMPLES_MAX * sizeof(u64));
}

static void watches_tell_a_write_from_a_touch(void)
{
    struct tux_watches w;
    int fd = new_file();
    tux_watches_open(&w);
    struct tux_watch *one = tux_watch_begin(&w, fd);
    if (!one) {
        fprintf(stderr, "inotify(7) is not to be had\n");
        exit(77);
    }
    struct tux_watch *other = tux_watch_begin(&w, fd);
    CHECK(one == other); /* the same inode, one watch */
    CHECK_EQ(w.taken, 1);
    CHECK_EQ(futimens(fd, NULL), 0);
    tux_watches_read(&w);
    CHECK_EQ(one->written, 0);
    CHECK(one->touched > 0);
    CHECK_EQ(pwrite(fd, "x", 1, 0), 1);
    tux_watches_read(&w);
    CHECK(one->written > 0);
    tux_watch_end(&w, other);
    CHECK_EQ(w.taken, 1);
    tux_watch_end(&w, one);
    CHECK_EQ(w.taken, 0);
    CHECK_EQ(pwrite(fd, "y", 1, 0), 1);
    tux_watches_read(&w); /* nobody is told */
    tux_watches_close(&w);
    CHECK_EQ(close(fd), 0);
}

static void the_table_of_watches_is_bounded(void)
{
    static int fds[TUX_WATCHES_MAX];
    struct tux_watches w;
    struct tux_watch *watch[TUX_WATCHES_MAX];
    u32 count = 0;
    tux_watches_open(&w);
    while (count < TUX_WATCHES_MAX && (fds[count] = memfd_create("watched", 0)) >= 0) {
        if (!(watch[count] = tux_watch_begin(&w, fds[count]))) break; /* the user's own bound came first */
        count++;
    }
    CHECK_EQ(w.taken, count);
    int more = memfd_create("one more", 0);
    if (count == TUX_WATCHES_MAX) CHECK(!tux_watch_begin(&w, more));
    for (u32 i = 0; i < count; i++) {
        tux_watch_end(&w, watch[i]);
        CHECK_EQ(close(fds[i]), 0);
    }
    CHECK_EQ(w.taken, 0);
    if (more >= 0) close(more);
    tux_watches_close(&w);
}

int main(void)
{
    samples_tell_what_was_written_over();
    what_cannot_be_told_differs();
    small_files_have_one_sample();
    watches_tell_a_write_from_a_touch();
    the_table_of_watches_is_bounded();
    return 0;
}
