/* limits.h: every maximum of the engine, with its reason. Nothing in csrc/ grows past these. */
#ifndef TUX_LIMITS_H
#define TUX_LIMITS_H

/* Chains. A response of one head, eight ranges and a lingering close needs 8 * 2 + 3 atoms; 64 leaves room. */
#define TUX_ATOMS_MAX 64
#define TUX_CELLS_MAX 64
#define TUX_DATA_BYTES_MAX (1u << 20)
#define TUX_BUFFER_BYTES_MAX (1u << 20)
#define TUX_CALLS_MAX 64
#define TUX_ARGS_MAX 6

/* Cells of a response chain live inside the run, so that entering one allocates nothing. */
#define TUX_INNER_CELLS_MAX 48

/* Engine. */
#define TUX_SLOTS_MAX (1u << 20)
#define TUX_LISTENERS_MAX 16          /* listeners of an engine, including those being drained */
#define TUX_CLASSES_MAX 65536    /* intervals of client addresses, each with its class */
#define TUX_CLIENTS_MAX (1u << 22) /* addresses that are counted at once: four for each connection that can be */
#define TUX_INTERVAL_NS_MAX 3600000000000u /* so that a burst of the most requests is still a u64 of nanoseconds */
#define TUX_BURST_MAX 1000000u
#define TUX_REFUSE_SHIFT 4        /* a sixteenth of the runs of a listener is kept for newcomers */
#define TUX_ROOM_USERS_LEAST 4    /* ... but of fewer runs than this none is kept */
#define TUX_ROOM_BATCH 64         /* connections that may be ended are searched in batches of this size */
#define TUX_ROOM_SAMPLE 64        /* connections in the sample that shows whether one address has most of them */
#define TUX_ROOM_CROWD_LEAST 8    /* ... a smaller sample shows nothing */
#define TUX_REFUSE_BYTES 2048     /* of a refused client's request, kept for the log */
#define TUX_WORKERS_MAX 64
#define TUX_SHARED_MAX 16
#define TUX_GENERATION_MASK 0xFFFFFFu /* the bits of a generation that travel through the kernel */
#define TUX_SLICE_STEPS 64        /* steps of one run before another gets its turn (fairness) */
#define TUX_EVENTS_MAX 256        /* events taken from the kernel in one turn */
#define TUX_SWEEP_MS 20           /* shortest time between two sweeps for expired limits: each walks all slots */
#define TUX_LISTEN_MS 1000        /* a knock is noticed after this time at the latest, even if its event is lost */
#define TUX_DRAIN_TURNS 3         /* turns from the end of accepting until parked runs are let go */
#define TUX_RETRY_MS 100          /* pause after EMFILE and its kin at accept */
#define TUX_BACKLOG 1024          /* listen(2) backlog, and the free runs that multishot accept needs above it */

/* Input. One receive buffer holds nearly every head (browsers send 400 to 1,500 bytes). */
#define TUX_STREAM_BYTES 2048
#define TUX_STREAM_BUFFERS 1024   /* power of two; all are touched in turn, so 2 MiB an engine */
#define TUX_STREAM_UNREAD_MAX 16384 /* bytes a connection may leave unread before its receive is stopped */
#define TUX_RUN_STREAMS 2         /* sockets that one run receives from at a time: a client and an upstream */
#define TUX_SCRATCH_BYTES 65536

#define TUX_LINGER_BYTES_MAX (1u << 20) /* unread input thrown away before a close */

/* Heads. The key holds the request line and the significant fields, so it is never longer than the head. */
#define TUX_HEAD_BYTES_LEAST 256
#define TUX_HEAD_BYTES_MAX 65536
#define TUX_BLANK_BYTES_MAX 4096  /* of empty lines before a head; beyond that the connection ends */
#define TUX_PLAIN_BYTES_MAX 4096  /* of a head that is refused, so that its connection may stay open */
#define TUX_KEY_PREFIX 12         /* before the head's part of a key: the line, the class and whether it is the last */
#define TUX_SIGNIFICANT_MAX 32
#define TUX_NAME_BYTES_MAX 40
#define TUX_REPEAT_BYTES 384      /* previous head kept by a connection for the cheapest comparison */

/* Decisions. */
#define TUX_WITNESSES_MAX 8
#define TUX_PATH_BYTES_MAX 4096
/* Decisions about files on a network, where a check may take long: */
#define TUX_FRESH_MS 500          /* from this age they are checked in the background */
#define TUX_STALE_MS 900          /* from this age requests wait for the check: a change is seen within one second */

/* Files are looked for in memory, read in and sent by windows. The first byte of a window of 1 MiB is sent after little
 * more than one request to the disk, that of a window of 4 MiB after four times as long. */
#define TUX_WINDOW_BYTES (1u << 20)
/* Beside 8 downloads of 64 MiB a small request takes (median) 3 ms with turns of 1 MiB or more, 0.7 with 256 KiB and
 * 0.35 with 128. In turns of 256 KiB an answer of 1 MiB costs 1.6 times the CPU, so its first MiB goes at once; 64 MiB
 * cost the same in turns of 256 KiB as in one, and 1.1 times that in turns of 128. */
#define TUX_SENDFILE_BURST_BYTES (1u << 20)
#define TUX_SENDFILE_TURN_BYTES (256u << 10)
/* Bytes that have just come from a disk are sent in small pieces: they are slow anyway, and several runs get them. */
#define TUX_SENDFILE_COLD_BYTES (64u << 10)
#define TUX_BULK_BYTES (128u << 10) /* sent of large transfers before the runs that events woke have their turn */
#define TUX_FETCHES_MAX 64        /* windows being read in; with more, each run has its own read by its own job */
#define TUX_KNOWN_MAX 256         /* windows whose state is known: in memory or not */
#define TUX_KNOWN_MS 100          /* how long that is believed */
#define TUX_UNSURE_MS 1000        /* ... where the kernel cannot say, and a worker has just read the window */
#define TUX_DEVICES_MAX 16        /* file systems whose kind is known */
#define TUX_DEVICE_MS 10000       /* how long that is believed: after umount(2) the number may be reused */

/* Files that change while they are sent. */
#define TUX_YOUNG_NS 5000000000   /* changed within so long: sent as copies, at twice the CPU, since the pages that
                                   * sendfile(2) leaves in a socket change with the file until the client has them */
#define TUX_COPY_BYTES 65536      /* ... copied at a time */
#define TUX_ANEW_MAX 3 /* times that a request is decided again because its file was written to meanwhile */
#define TUX_WRITE_NS 1000000000   /* no write(2) takes longer from setting the times to its last byte */
#define TUX_WATCHED_BYTES (256u << 10) /* smaller files are sent before a program could touch them */
#define TUX_SAMPLES_GROWN 8       /* samples that are compared when a file has become longer, as log files do */

/* The access log. A record holds what the format names and no more, each value bounded, so that no client decides how
 * many requests a journal has room for. */
#define TUX_LOG_PROGRAM_MAX 16384 /* bytes of a format */
#define TUX_LOG_VALUES_MAX 64     /* values that a format names, counting repeated ones */
#define TUX_LOG_FIELDS_MAX 32     /* different fields of a request among them */
#define TUX_LOG_VALUE_BYTES 4096  /* of one value, as it came and as it is written */
#define TUX_LOG_SHORT_BYTES 1024  /* of one value while the journal fills faster than it is read */
#define TUX_LOG_VERSION_BYTES 16  /* a shorter last word of a request line is kept behind a target that is cut */
#define TUX_LOG_USER_BYTES 256
#define TUX_LOG_SPILL_BYTES (7u << 20) /* of an engine's records beside its full journal, before lines are lost */
#define TUX_LOG_FEEDS_MAX 1024
#define TUX_LOG_BUFFER_BYTES 131072
#define TUX_LOG_LOOK_MS 500       /* between two looks whether the file was rotated */
#define TUX_LOG_PATIENCE_MS 1000  /* at the end: for a reader that takes nothing */
#define TUX_LOG_END_MS 3000       /* ... and for one that takes a little now and then */

#define TUX_FAR_WORKERS 4         /* of an engine, for file systems that may not answer */
#define TUX_STOP_S 1              /* how long an engine's end waits for a worker's last job */

#define TUX_TRACE_MAX 65536
#define TUX_TRACED_MAX 1024       /* atoms that the trace of one run remembers: its first ones */
#define TUX_IDLE_BYTES_MAX (8u << 20) /* memory of ended runs that a chain keeps for later runs */
#define TUX_SHARE_RUNS 16         /* runs of a batch that the engine takes before it looks at its events again */
#define TUX_CALL_BATCH 8          /* runs of a batch that its submitter takes at a time */
#define TUX_BURST_RUNS 64         /* runs whose first atoms are requests of one io_uring_enter */
#define TUX_BURST_TAKE 32         /* ... of a shared batch, so that both threads finish at about the same time */
#define TUX_BURST_WORTH 4         /* for fewer runs, system calls are as fast */

/* Commands that an engine allocates at its start, for when there is no memory for one later. */
#define TUX_RESERVED_COMMANDS 16

#endif
