/* test_cold_resident.c: what is said to be in memory, by kind of file system, and that it is never said too easily. */
#include "base/resident.h"

#include "check.h"

enum { BYTES = TUX_WINDOW_BYTES };

static void kinds_go_by_the_type(void)
{
    static const struct { u64 type; enum tux_store store; } table[] = {
        {0x01021994, TUX_STORE_MEMORY},  {0x858458F6, TUX_STORE_MEMORY},  {0x958458F6, TUX_STORE_MEMORY},
        {0x794C7630, TUX_STORE_STACKED}, {0x6969, TUX_STORE_FAR},         {0xFF534D42, TUX_STORE_FAR},
        {0xFE534D42, TUX_STORE_FAR},     {0x01021997, TUX_STORE_FAR},     {0xEF53, TUX_STORE_CACHED},
        {0x58465342, TUX_STORE_CACHED},  {0x9123683E, TUX_STORE_CACHED},  {0x65735546, TUX_STORE_CACHED},
        {0xFFFFFFFFFF534D42, TUX_STORE_FAR}, /* as a negative number of 32 bits */
    };
    for (size_t i = 0; i < TUX_COUNT(table); i++) CHECK_EQ(tux_store_of_type(table[i].type), table[i].store);
}

static int file_of(int fd, size_t bytes)
{
    static u8 block[65536];
    memset(block, 'x', sizeof block);
    for (size_t at = 0; at < bytes; at += sizeof block)
        CHECK_EQ(pwrite(fd, block, sizeof block, (off_t)at), sizeof block);
    CHECK_EQ(fsync(fd), 0);
    return fd;
}

static void memory_is_always_there(void)
{
    int fd = memfd_create("memory", MFD_CLOEXEC);
    CHECK(fd >= 0);
    CHECK_EQ(ftruncate(fd, BYTES), 0); /* one hole */
    CHECK_EQ(tux_store_of(fd), TUX_STORE_MEMORY);
    CHECK_EQ(tux_resident(TUX_STORE_MEMORY, fd, 0, BYTES), TUX_RESIDENT);
    close(fd);
}

static void who_was_not_asked_says_nothing(void)
{
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    CHECK_EQ(tux_resident(TUX_STORE_UNASKED, fd, 0, 4096), TUX_UNSURE);
    CHECK_EQ(tux_resident(TUX_STORE_FAR, fd, 0, 4096), TUX_UNSURE);
    CHECK_EQ(tux_resident(TUX_STORE_FAR, fd, 5, 5), TUX_RESIDENT); /* nothing is always there */
    close(fd);
    CHECK(tux_store_of(-1) == TUX_STORE_FAR);
}

static int descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 256; fd++) count += check_is_open(fd);
    return count;
}

/* By each way of asking that this file system has: yes when it was just read, no when it was thrown out. */
static bool a_file_comes_and_goes(void)
{
    char name[] = "/var/tmp/tuxpy-resident-XXXXXX";
    int fd = mkostemp(name, O_CLOEXEC), before = descriptors();
    CHECK(fd >= 0);
    unlink(name);
    file_of(fd, BYTES);
    enum tux_store store = tux_store_of(fd);
    CHECK_EQ(tux_read_in(fd, 0, BYTES), BYTES);
    CHECK_EQ(tux_read_in(fd, BYTES - 100, 2 * BYTES), BYTES); /* no more than there is */
    CHECK_EQ(tux_read_in(fd, 3 * BYTES, 4 * BYTES), 3 * BYTES);
    if (store != TUX_STORE_CACHED && store != TUX_STORE_STACKED) return false;
    CHECK_EQ(tux_resident(store, fd, 0, BYTES), TUX_RESIDENT);
    CHECK_EQ(tux_resident(store, fd, 1, 2), TUX_RESIDENT);
    CHECK_EQ(tux_resident(store, fd, 4095, BYTES - 1), TUX_RESIDENT);
    CHECK_EQ(tux_resident(TUX_STORE_STACKED, fd, 0, BYTES), TUX_RESIDENT);
    CHECK_EQ(tux_resident(store, fd, BYTES, 2 * BYTES), TUX_ABSENT); /* beyond its end */
    CHECK_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    enum tux_resident gone = tux_resident(TUX_STORE_STACKED, fd, 0, BYTES);
    if (gone == TUX_RESIDENT) return false;
    CHECK_EQ(gone, TUX_ABSENT);
    CHECK_EQ(tux_resident(store, fd, 0, BYTES), TUX_ABSENT);
    CHECK_EQ(tux_read_in(fd, 65536, 131072), 131072); /* a part of it is not all of it */
    CHECK_EQ(tux_resident(store, fd, 65536, 131072), TUX_RESIDENT);
    CHECK_EQ(tux_resident(TUX_STORE_STACKED, fd, 65536, 131072), TUX_RESIDENT);
    CHECK_EQ(tux_read_in(fd, 0, BYTES), BYTES);
    CHECK_EQ(tux_resident(store, fd, 0, BYTES), TUX_RESIDENT);
    CHECK_EQ(descriptors(), before);
    close(fd);
    return true;
}

/* Too long for what is asked at once, and of what is no file at all: unsure, and nothing worse. */
static void what_cannot_be_asked_is_unsure(void)
{
    int pair[2];
    check_pair(pair);
    CHECK_EQ(tux_resident(TUX_STORE_STACKED, pair[0], 0, 4096), TUX_UNSURE);
    CHECK(tux_resident(TUX_STORE_CACHED, pair[0], 0, 4096) != TUX_RESIDENT);
    CHECK_EQ(tux_read_in(pair[0], 0, 4096), 0);
    close(pair[0]);
    close(pair[1]);
}

int main(void)
{
    kinds_go_by_the_type();
    memory_is_always_there();
    who_was_not_asked_says_nothing();
    what_cannot_be_asked_is_unsure();
    if (a_file_comes_and_goes()) return 0;
    printf("the file system of /var/tmp lets nothing be thrown out of memory\n");
    return 77;
}
