/* What the two loops of the limit probe share: the ready answer and how to send it. */
#ifndef PROBE_H
#define PROBE_H

#include <stdbool.h>
#include <stddef.h>

#define PROBE_CONNECTIONS_MAX 65536 /* descriptors are used as indices */
#define PROBE_INPUT_BYTES 2048      /* no head of the scenarios is longer */
#define PROBE_SMALL_BYTES 65536     /* up to here head and body are one send, above the body is a file */

struct answer {
    char *bytes;         /* the head, and behind it a small body */
    size_t bytes_length;
    int file;            /* a large body, -1 when it is small */
    size_t file_length;
    bool close_after;    /* one request a connection */
};

enum progress { PROGRESS_DONE, PROGRESS_FULL, PROGRESS_BROKEN };

/* Send what is missing of the answer without waiting. `sent` counts the bytes of head and body so far. */
enum progress answer_send(const struct answer *answer, int fd, size_t *sent);

/* Both loops run until a signal ends the process; they return only when the kernel refuses to begin. */
int run_epoll(int listener, const struct answer *answer);
int run_uring(int listener, const struct answer *answer);

#endif
