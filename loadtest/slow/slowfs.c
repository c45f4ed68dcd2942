/* slowfs: a slow disk to measure with. It shows the files of one directory, read only, and takes its time for a read.
 *
 *   slowfs SOURCE MOUNT MILLISECONDS PLACES
 *
 * It speaks the kernel's FUSE protocol itself (linux/fuse.h), so it needs /dev/fuse and the right to mount, but no
 * library. At most PLACES reads are under way at a time, as in a disk with such a queue; names are found at once. It
 * says "ready" when it is mounted, and ends with the mount. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { FILES_MAX = 256, NAME_BYTES = 64, PAGES_MAX = 256, PLACES_MAX = 64, REQUEST_BYTES = 1 << 17 };
enum { FOR_EVER = 86400, SPARE_THREADS = 8 };

static struct {
    char name[NAME_BYTES];
    int fd;
    struct stat st;
} files[FILES_MAX];
static size_t file_count;
static int device;
static struct timespec pause_of_a_read;
static unsigned places;
static sem_t free_places;

static void die(const char *what)
{
    fprintf(stderr, "slowfs: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void answer(uint64_t unique, int error, const void *body, size_t bytes)
{
    struct fuse_out_header head = {.len = (uint32_t)(sizeof head + bytes), .error = -error, .unique = unique};
    struct iovec parts[2] = {{&head, sizeof head}, {(void *)(uintptr_t)body, bytes}};
    if (writev(device, parts, bytes ? 2 : 1) < 0 && errno != ENOENT && errno != ENODEV) die("answering");
}

/* Node 1 is the directory, its files follow. */
static struct fuse_attr attributes(uint64_t node)
{
    if (node == FUSE_ROOT_ID) return (struct fuse_attr){.ino = 1, .mode = S_IFDIR | 0555, .nlink = 2};
    const struct stat *st = &files[node - 2].st;
    return (struct fuse_attr){.ino = node, .size = (uint64_t)st->st_size, .blocks = (uint64_t)st->st_blocks,
                              .mtime = (uint64_t)st->st_mtime, .mode = S_IFREG | 0444, .nlink = 1, .blksize = 4096};
}

static void begin(const struct fuse_in_header *in, const struct fuse_init_in *asked)
{
    const uint32_t wanted = FUSE_ASYNC_READ | FUSE_MAX_PAGES | FUSE_PARALLEL_DIROPS | FUSE_ASYNC_DIO;
    struct fuse_init_out out = {.major = FUSE_KERNEL_VERSION, .minor = FUSE_KERNEL_MINOR_VERSION,
                                .max_readahead = asked->max_readahead, .flags = asked->flags & wanted,
                                .max_background = (uint16_t)places, .congestion_threshold = (uint16_t)places,
                                .max_write = 4096, .max_pages = PAGES_MAX};
    answer(in->unique, 0, &out, sizeof out);
}

static void look_up(const struct fuse_in_header *in, const char *name)
{
    for (size_t i = 0; i < file_count; i++) {
        if (in->nodeid != FUSE_ROOT_ID || strcmp(files[i].name, name) != 0) continue;
        struct fuse_entry_out out = {.nodeid = i + 2, .entry_valid = FOR_EVER, .attr_valid = FOR_EVER,
                                     .attr = attributes(i + 2)};
        answer(in->unique, 0, &out, sizeof out);
        return;
    }
    answer(in->unique, ENOENT, NULL, 0);
}

static void read_slowly(const struct fuse_in_header *in, const struct fuse_read_in *asked, char *room)
{
    while (sem_wait(&free_places) != 0) continue;
    nanosleep(&pause_of_a_read, NULL);
    sem_post(&free_places);
    ssize_t n = pread(files[in->nodeid - 2].fd, room, asked->size, (off_t)asked->offset);
    answer(in->unique, n < 0 ? errno : 0, room, n < 0 ? 0 : (size_t)n);
}

static void serve(const struct fuse_in_header *in, const void *body, char *room)
{
    struct fuse_attr_out attr = {.attr_valid = FOR_EVER};
    struct fuse_open_out opened = {.open_flags = FOPEN_KEEP_CACHE};
    struct fuse_statfs_out space = {.st = {.bsize = 4096, .namelen = NAME_BYTES}};
    if (in->nodeid > file_count + 1) {
        answer(in->unique, ESTALE, NULL, 0);
        return;
    }
    switch (in->opcode) {
    case FUSE_INIT: begin(in, body); break;
    case FUSE_LOOKUP: look_up(in, body); break;
    case FUSE_GETATTR:
        attr.attr = attributes(in->nodeid);
        answer(in->unique, 0, &attr, sizeof attr);
        break;
    case FUSE_OPEN:
    case FUSE_OPENDIR: answer(in->unique, 0, &opened, sizeof opened); break;
    case FUSE_READ: read_slowly(in, body, room); break;
    case FUSE_STATFS: answer(in->unique, 0, &space, sizeof space); break;
    case FUSE_READDIR: answer(in->unique, 0, NULL, 0); break; /* what there is, who asks by name knows */
    case FUSE_RELEASE:
    case FUSE_RELEASEDIR:
    case FUSE_FLUSH:
    case FUSE_DESTROY: answer(in->unique, 0, NULL, 0); break;
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT: break; /* no answer is wanted */
    default: answer(in->unique, ENOSYS, NULL, 0);
    }
}

static void *work(void *nothing)
{
    char *request = malloc(REQUEST_BYTES), *room = malloc((size_t)PAGES_MAX * 4096);
    if (!request || !room) die("memory");
    for (;;) {
        ssize_t n = read(device, request, REQUEST_BYTES);
        if (n < 0 && (errno == EINTR || errno == EAGAIN || errno == ENOENT)) continue;
        if (n < (ssize_t)sizeof(struct fuse_in_header)) exit(0); /* it is mounted no more */
        serve((const struct fuse_in_header *)(void *)request, request + sizeof(struct fuse_in_header), room);
    }
    return nothing;
}

static void take_files(const char *source)
{
    DIR *directory = opendir(source);
    if (!directory) die(source);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL && file_count < FILES_MAX;) {
        if (entry->d_type != DT_REG || strlen(entry->d_name) >= NAME_BYTES) continue;
        memcpy(files[file_count].name, entry->d_name, strlen(entry->d_name) + 1);
        files[file_count].fd = openat(dirfd(directory), entry->d_name, O_RDONLY | O_CLOEXEC);
        if (files[file_count].fd < 0 || fstat(files[file_count].fd, &files[file_count].st) < 0) die(entry->d_name);
        file_count++;
    }
    closedir(directory);
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "slowfs SOURCE MOUNT MILLISECONDS PLACES\n");
        return 2;
    }
    unsigned long ms = strtoul(argv[3], NULL, 10), queue = strtoul(argv[4], NULL, 10);
    if (ms > 10000 || queue == 0 || queue > PLACES_MAX) return 2;
    pause_of_a_read = (struct timespec){.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    places = (unsigned)queue;
    sem_init(&free_places, 0, places);
    take_files(argv[1]);
    device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (device < 0) die("/dev/fuse");
    char options[128];
    snprintf(options, sizeof options, "fd=%d,rootmode=40555,user_id=%u,group_id=%u,allow_other", device, getuid(),
             getgid());
    if (mount("slowfs", argv[2], "fuse", MS_RDONLY | MS_NOSUID | MS_NODEV, options) < 0) die("mounting");
    printf("ready\n");
    fflush(stdout);
    for (unsigned i = 1; i < places + SPARE_THREADS; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, work, NULL) != 0) die("a thread");
    }
    work(NULL);
    return 0;
}
