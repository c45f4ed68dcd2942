/* sync.c: the plain loop that syslets are held against: open, read and close one file after the other.
 *
 *     sync ROOM < NAMES        names, one a line, then an empty line; then a pass for each further line
 *
 * Prints the nanoseconds of each pass. ROOM: bytes read of each file, into the same memory. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static long long now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int pass(char **names, size_t count, char *memory, size_t room)
{
    for (size_t i = 0; i < count; i++) {
        int fd = open(names[i], O_RDONLY | O_CLOEXEC);
        if (fd < 0 || read(fd, memory, room) < 0 || close(fd) < 0) {
            perror(names[i]);
            return 1;
        }
    }
    return 0;
}

int main(int words, char **word)
{
    char line[8192], **names = NULL;
    size_t count = 0, room = words > 1 ? strtoul(word[1], NULL, 10) : 4096;
    char *memory = malloc(room);
    if (!memory) return 2;
    while (fgets(line, sizeof line, stdin) && line[0] != '\n') {
        line[strcspn(line, "\n")] = 0;
        char **more = realloc(names, (count + 1) * sizeof *names);
        if (!more) return 2;
        names = more;
        names[count] = strdup(line);
        if (!names[count++]) return 2;
    }
    while (fgets(line, sizeof line, stdin)) {
        long long began = now_ns();
        if (pass(names, count, memory, room)) return 1;
        printf("%lld\n", now_ns() - began);
        fflush(stdout);
    }
    return 0;
}
