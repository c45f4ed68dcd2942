/* watch.c: events are read when they are needed and not when they come. The kernel queues 16,384 of them; if the queue
 * overflowed, every file counts as written to. */
#include "http/watch.h"

#include <sys/inotify.h>
#include <unistd.h>

void tux_watches_open(struct tux_watches *w)
{
    *w = (struct tux_watches){.fd = -1};
    for (u32 i = 0; i < TUX_WATCHES_MAX; i++) w->watch[i].wd = -1;
}

void tux_watches_close(struct tux_watches *w)
{
    if (w->fd >= 0) close(w->fd);
    w->fd = -1;
}

/* Two responses for the same inode share a watch: the kernel gives them the same number. */
static struct tux_watch *of_number(struct tux_watches *w, int wd)
{
    for (u32 i = 0; i < TUX_WATCHES_MAX; i++)
        if (w->watch[i].users > 0 && w->watch[i].wd == wd) return &w->watch[i];
    return NULL;
}

static struct tux_watch *free_place(struct tux_watches *w)
{
    for (u32 i = 0; i < TUX_WATCHES_MAX; i++)
        if (w->watch[i].users == 0) return &w->watch[i];
    return NULL;
}

struct tux_watch *tux_watch_begin(struct tux_watches *w, int file)
{
    char path[32];
    if (w->taken == TUX_WATCHES_MAX) return NULL;
    if (w->fd < 0) w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC); /* most servers send nothing large */
    if (w->fd < 0) return NULL;
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    int wd = inotify_add_watch(w->fd, path, IN_MODIFY | IN_ATTRIB);
    if (wd < 0) return NULL;
    struct tux_watch *watch = of_number(w, wd);
    if (!watch) {
        watch = free_place(w);
        *watch = (struct tux_watch){.wd = wd};
        w->taken++;
    }
    watch->users++;
    return watch;
}

void tux_watch_end(struct tux_watches *w, struct tux_watch *watch)
{
    if (--watch->users > 0) return;
    if (watch->wd >= 0) (void)inotify_rm_watch(w->fd, watch->wd);
    watch->wd = -1;
    w->taken--;
}

static void count(struct tux_watches *w, const struct inotify_event *event)
{
    struct tux_watch *one = event->mask & IN_Q_OVERFLOW ? NULL : of_number(w, event->wd);
    for (u32 i = 0; (event->mask & IN_Q_OVERFLOW) && i < TUX_WATCHES_MAX; i++) w->watch[i].written++;
    if (!one) return;
    if (event->mask & IN_MODIFY) one->written++;
    if (event->mask & IN_ATTRIB) one->touched++;
    if (event->mask & IN_IGNORED) one->wd = -1;
}

void tux_watches_read(struct tux_watches *w)
{
    _Alignas(struct inotify_event) char events[4096];
    for (ssize_t n; w->fd >= 0 && (n = read(w->fd, events, sizeof events)) > 0;) {
        for (char *at = events; at < events + n;) {
            const struct inotify_event *event = (const void *)at;
            count(w, event);
            at += sizeof *event + event->len;
        }
    }
}
