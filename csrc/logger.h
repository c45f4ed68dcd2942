/* floor 3 · logger.h: the thread that writes the access log, for all engines of a process. */
#ifndef TUX_LOGGER_H
#define TUX_LOGGER_H

#include "journal.h"

/* What an engine writes to. Belongs to the logger. */
struct tux_log_port {
    struct tux_journal journal;
    struct tux_log *log;
    _Atomic u64 lost; /* records for which there was no room */
};

/* A port for one engine; NULL when there are too many, or no memory. Before the engine's thread starts. */
struct tux_log_port *tux_log_attach(struct tux_log *log);
/* The engine has ended; what it has written is still read. */
void tux_log_detach(struct tux_log_port *port);
/* Room for a record, which tux_log_write publishes. NULL when there is none and the policy is to lose it. */
struct tux_entry_of_log *tux_log_reserve(struct tux_log_port *port, u32 bytes);
void tux_log_write(struct tux_log_port *port, u32 bytes);

#endif
