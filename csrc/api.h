/* api.h: what Python sees, and nothing else. Plain declarations only: the C compiler includes this file once, through
 * base.h, and cffi reads the same text. Every function returns 0 or a count, or -errno. */

enum tux_reason {
    TUX_REASON_END, TUX_REASON_STOP, TUX_REASON_ERROR, TUX_REASON_CANCELLED, TUX_REASON_DEADLINE, TUX_REASON_BUDGET
};

/* LEAVING: the listener is being drained, so this answer is the connection's last, and must say so. */
enum tux_miss_flags { TUX_MISS_HEAD_TOO_LONG = 1, TUX_MISS_HEAD_TIMEOUT = 2, TUX_MISS_LEAVING = 4 };

/* An interval of addresses, from `first` to the next one's: 16-byte IPv6 addresses, IPv4 ones mapped (RFC 4291). */
struct tux_log;
struct tux_clients;
struct tux_class { uint8_t first[16]; uint16_t number; };

/* Numbers of networks are made of these bits. */
enum tux_network { TUX_NETWORK_TRUSTED = 1, TUX_NETWORK_EXEMPT = 2 };
/* The field in which trusted proxies name the client. */
enum tux_forwarded { TUX_FORWARDED_OFF, TUX_FORWARDED_FOR, TUX_FORWARDED_RFC7239 };
/* The limits that refuse clients. BUSY: almost no run is free. CONNECTIONS, RATE: of the client's address. */
enum tux_limit { TUX_LIMIT_BUSY, TUX_LIMIT_CONNECTIONS, TUX_LIMIT_RATE, TUX_LIMITS };

/* Limits for clients; 0 is no limit. Addresses in a network are not counted. */
struct tux_bounds {
    uint32_t requests_max;      /* of a connection; the last answer says so */
    uint32_t connections_max;   /* of an address; far beyond it connections close without an answer */
    uint64_t interval_ns;       /* between two requests of an address in the long run, up to an hour */
    uint32_t burst;             /* requests at once, before that counts; up to a million */
    uint32_t forwarded;         /* enum tux_forwarded */
    uint8_t refuse;             /* with the last sixteenth of its runs, a listener refuses instead of serving */
};

/* Everything that may change while an engine runs. An engine applies its first rules as it applies all later ones. */
struct tux_rules {
    uint32_t number;            /* larger than any before; a miss carries the number it was asked under */
    const char *const *significant; /* lower-case field names of the key */
    uint32_t significant_count;
    const struct tux_class *classes; /* of client addresses, each up to the next one's first; none: all are class 0 */
    uint32_t class_count;
    const struct tux_class *networks; /* the same of networks: their numbers are bits of enum tux_network */
    uint32_t network_count;
    struct tux_bounds bounds;
    uint32_t head_bytes_max;
    uint32_t head_ms, idle_ms, send_ms;
    uint32_t look_ms;           /* a cached answer whose files were checked longer ago is checked again; 0: always */
};

/* What an engine that serves HTTP may take, beside what every engine has. */
struct tux_http_options {
    uint32_t cache_entries_max;
    uint64_t cache_bytes_max;
    uint32_t cache_files_max;   /* descriptors that the decision cache holds open, at most */
    uint32_t linger_ms;
    uint8_t secret[16];         /* of the keyed hash */
    struct tux_log *log;        /* NULL: no access log */
    struct tux_clients *clients; /* NULL: nothing is counted by address */
    struct tux_rules rules;     /* the first ones */
};

struct tux_options {
    uint32_t slots;             /* runs alive at once, at most; also the length of the completion ring */
    uint32_t workers;           /* cachemiss worker threads */
    int notify_fd;              /* an eventfd of the caller: readable when misses or completions wait */
    const char *backend;        /* "auto", "uring" or "epoll" */
    const struct tux_http_options *http; /* NULL: it runs chains of plain calls, and serves nothing */
};

struct tux_record;

struct tux_completion {
    uint64_t cookie;
    int64_t result;
    uint64_t steps;
    struct tux_record *record;  /* the run's cells and buffers, if the submitter asked for them; the taker closes it */
    uint16_t last_atom, reason, stop_flags, reserved;
};

enum tux_exec_flags {
    TUX_EXEC_KEEP = 1,          /* the completion has the run's record */
    TUX_EXEC_TRACE = 2,         /* ... and the record has a trace */
    TUX_EXEC_AWAY = 4,          /* not on the calling thread: the engine begins it */
    TUX_EXEC_SHARE = 8,         /* the engine takes runs of the batch while the caller runs others */
    TUX_EXEC_TELL = 16          /* there is a completion even with NO_COMPLETE: a caller waits for it */
};

struct tux_submission {
    struct tux_chain *chain;    /* lent until all its runs have completed; plain calls only */
    const uint16_t *param_cells; /* param_count of them */
    const int64_t *params;      /* param_count for each run */
    const uint16_t *fill_cells; /* fill_count DATA cells that get other bytes than the chain's */
    const uint32_t *fill_ends;  /* fill_count for each run: where in `fills` the bytes for the cell end; they begin */
    const uint8_t *fills;       /* where those before end. At most as many as the cell has; a path needs one less */
    uint64_t cookie;            /* of the first run; the others count on from there */
    uint32_t param_count, fill_count, runs;
    uint32_t deadline_ms;       /* 0 = none */
    uint16_t keep_cell;         /* an FD cell whose descriptor outlives the run, in its record; 0xFFFF none */
    uint16_t flags;             /* enum tux_exec_flags */
};

enum tux_ran { TUX_RAN_INLINE, TUX_RAN_ON_ENGINE, TUX_RAN_BY_RING, TUX_RAN_ON_WORKER };

/* One atom of a run: how long it took, waiting included, and where it got its result. */
struct tux_traced { uint64_t ns; int64_t result; uint16_t atom; uint8_t place, reserved[5]; };

struct tux_miss {
    uint64_t line;              /* of the listener that accepted the connection */
    uint32_t slot, generation;
    uint32_t class_number;      /* of the client's address */
    uint32_t rules;             /* the number of the rules that define this class */
    uint32_t flags;             /* enum tux_miss_flags */
    const uint8_t *head;        /* valid until the answer */
    uint32_t head_bytes;
    int fd;                     /* the connection: open until the answer; send nothing on it */
    uint64_t client;            /* the client's address, as in tux_clients_refused; 0: it has none */
};

/* Which symbolic links the judge follows. */
enum tux_links { TUX_LINKS_INSIDE, TUX_LINKS_NONE, TUX_LINKS_ALL };

struct tux_witness_facts {
    int root_fd;
    uint32_t links;             /* enum tux_links */
    const char *path;
    uint64_t dev, ino, size;    /* ino 0: the name was absent */
    int64_t mtime_ns, ctime_ns;
};

struct tux_response_options {
    const uint8_t *chain;
    size_t chain_bytes;
    int file;                   /* given to the response, which closes it; -1 none */
    uint32_t *users;            /* NULL, or: the file lies in memory that others send from too. One is added here while
                                 * the response lives; its bytes count in each cache that keeps the response */
    uint16_t status;
    uint8_t keep, cacheable;
    uint8_t far;                /* it is from a file system that may hang */
    uint8_t ranged;             /* answers any single range of its file, once two texts of its head are replaced: */
    int32_t range_at, length_at; /* offsets of "first-last" in Content-Range and of the value of Content-Length */
    int32_t date_at;            /* offset of the Date value in the chain's data; -1 none */
    const struct tux_witness_facts *witnesses;
    uint32_t witness_count;
};

struct tux_param { uint16_t cell; int64_t value; };

struct tux_trace_entry { uint64_t ns; uint32_t slot; uint16_t atom, depth; int64_t result; };

struct tux_chain;
struct tux_engine;
struct tux_response;

const char *tux_version(void);

/* The white list: name and argument kinds of a call number, NULL when there is none. */
const char *tux_call_name(unsigned number);
const char *tux_call_kinds(unsigned number);

/* A verified chain from its bytes; `http` also allows the calls of the HTTP engine. One sentence in error[160]. */
int tux_chain_open(const uint8_t *bytes, size_t length, int http, struct tux_chain **out, char *error);
void tux_chain_close(struct tux_chain *chain);
/* In a child of fork(2), before anything else: the memory of its completions is never freed. */
void tux_chain_forked(struct tux_chain *chain);

/* Bytes of all buffers of a run; a BUFFER cell's value is the offset of its own. */
uint32_t tux_chain_buffer_bytes(const struct tux_chain *chain);

/* Run a chain here and now on the calling thread, which may block. cells_out (one value per cell), buffers_out and
 * shared (16 numbers, in and out) may be NULL. A descriptor in the FD cell `keep_cell` (0xFFFF none) survives and
 * belongs to the caller. */
int tux_run_inline(struct tux_chain *chain, const struct tux_param *params, uint32_t param_count, uint16_t keep_cell,
                   int64_t *shared, int64_t *cells_out, uint8_t *buffers_out, struct tux_completion *out);

/* One thread, one ring, its runs. `why` (160 bytes) says which back-end was taken and why. */
int tux_engine_open(const struct tux_options *options, struct tux_engine **out, char *why);
const char *tux_engine_backend(struct tux_engine *engine);
/* Ends every run, closes every connection, joins the threads. */
void tux_engine_close(struct tux_engine *engine);

/* Submit `copies` runs of the chain (lent until they have completed). -ENOBUFS when completions could not be promised.
 * Descriptors among the params are lent as long; listeners, and what sendfile sends to, become non-blocking. */
int tux_engine_submit(struct tux_engine *engine, struct tux_chain *chain, const struct tux_param *params,
                      uint32_t param_count, uint64_t cookie, uint32_t copies, uint32_t deadline_ms);
/* End every run with this cookie, with reason CANCELLED. */
int tux_engine_cancel(struct tux_engine *engine, uint64_t cookie);
int tux_engine_completions(struct tux_engine *engine, struct tux_completion *out, uint32_t max);

/* Run on the calling thread as long as no call blocks. Runs that end there are in `out` (room for all of them) when
 * this returns; the result is their number. A run that would block goes on at the engine, and completes there. -ENOBUFS
 * when completions could not be promised: then no run has begun. Descriptors among the params of FD cells belong to the
 * runs unless this fails. Any thread. */
int tux_engine_exec(struct tux_engine *engine, const struct tux_submission *submission, struct tux_completion *out);

/* The results of a run: a value for each cell (offsets for BUFFER cells), its buffers, its trace. */
const int64_t *tux_record_cells(const struct tux_record *record);
const uint8_t *tux_record_buffers(const struct tux_record *record);
uint32_t tux_record_trace(const struct tux_record *record, const struct tux_traced **out);
/* The descriptor that outlived the run, the caller's from now on; -1 when there is none. */
int tux_record_take(struct tux_record *record);
void tux_record_close(struct tux_record *record);

int tux_engine_misses(struct tux_engine *engine, struct tux_miss *out, uint32_t max);
/* Makes a response of its parts; takes `file` in any case. */
int tux_response_open(const struct tux_response_options *options, struct tux_response **out, char *error);
void tux_response_close(struct tux_response *response);
/* Hand the response to the run that asked; the engine owns it from then on. NULL: there is none; the client gets the
 * ready answer of TUX_LIMIT_BUSY, or its connection closes if there is none. The engine takes responses when it is
 * knocked at, so several can be handed over with one knock. */
int tux_engine_answer(struct tux_engine *engine, uint32_t slot, uint32_t generation, struct tux_response *response);
/* The answer to clients that a limit refuses, in each of four forms: +1 without content (for HEAD), +2 the connection
 * stays open. Takes the response in any case. Without one the connection closes without an answer. */
enum tux_ready_form { TUX_READY_HEAD = 1, TUX_READY_KEEP = 2, TUX_READY_FORMS = 4 };
int tux_engine_ready(struct tux_engine *engine, uint32_t limit, uint32_t form, struct tux_response *response);
void tux_engine_knock(struct tux_engine *engine);
/* Cache a response for these heads (one or more, complete, one after the other) before a client has sent them, as for a
 * client of that class of addresses at the listener of that line. Takes the response unless it fails. It is dropped if
 * the cache has no room, or if other rules are in force by now. */
int tux_engine_preload(struct tux_engine *engine, uint64_t line, uint32_t class_number, uint32_t rules,
                       const uint8_t *heads, size_t heads_bytes, struct tux_response *response);
/* Forget all cached decisions: the rules or the roots have changed. */
void tux_engine_forget(struct tux_engine *engine);
/* Forget only those whose files are in memory (`users`), since that memory is needed. */
void tux_engine_forget_made(struct tux_engine *engine);
/* Change all rules at one moment: every cached decision is forgotten, and open connections get their class of the new
 * table. Pending misses are answered as usual; answers by older rules are not kept. */
int tux_engine_rules(struct tux_engine *engine, const struct tux_rules *rules);
/* The oldest rules number still used by a pending miss or witness check. */
uint32_t tux_engine_rules_settled(struct tux_engine *engine);

int64_t tux_engine_shared_get(struct tux_engine *engine, uint32_t index);
void tux_engine_shared_set(struct tux_engine *engine, uint32_t index, int64_t value);
/* A listener is known by its line: the cookie of the runs that accept there, chosen by the caller. The number of its
 * descriptor may be reused. Drain the listener of a line (UINT64_MAX: all listeners): it accepts no more, and runs
 * parked there end. Set its counter to 0 first. Connections have `idle_ms` for one more request, whose miss is marked
 * LEAVING; then idle ones close. Connections in the backlog are still served as long as runs are parked. `shut`: then
 * the socket is shut down, for all processes that share it; otherwise others go on accepting there. */
int tux_engine_drain(struct tux_engine *engine, uint64_t line, int shut, uint32_t idle_ms);
/* `count` runs end instead of accepting at the listener of this line again: first those parked now, then those that
 * come next. For the missing ones, as many connections have `idle_ms` for one more request, as in a drain. */
int tux_engine_shed(struct tux_engine *engine, uint64_t line, uint32_t count, uint32_t idle_ms);
/* Set shared number `index`, in the order of the other commands. */
int tux_engine_share(struct tux_engine *engine, uint32_t index, int64_t value);

/* Hold the commands that follow (submissions, rules, ready answers, drains). Then release those of several engines at
 * once, which cannot fail, or drop them. */
void tux_engine_hold(struct tux_engine *engine);
void tux_engines_release(struct tux_engine **engines, uint32_t count);
void tux_engine_drop(struct tux_engine *engine);

/* prctl(2): this thread, and all threads that it starts, gain no rights by executing programs. */
int tux_no_new_privileges(void);

/* Trace every atom (for tests and tools; call it before the first submit), and take the entries since the last call. */
int tux_engine_trace(struct tux_engine *engine);
uint32_t tux_engine_trace_take(struct tux_engine *engine, struct tux_trace_entry *out, uint32_t max);

/* The first lines of some heads that were answered from the cache: the first one of every hundredth of a second. Take
 * them now and then, as those without room are dropped. */
struct tux_sample { uint16_t bytes; uint8_t line[254]; };
uint32_t tux_engine_samples(struct tux_engine *engine, struct tux_sample *out, uint32_t max);

/* Metrics: the number of values, their names and help, and a snapshot. A name may have several values, numbered by
 * `place`; it is -1 where there is one. */
uint32_t tux_metric_count(void);
const char *tux_metric_name(uint32_t index);
int tux_metric_place(uint32_t index);
const char *tux_metric_help(uint32_t index);
int tux_metric_is_gauge(uint32_t index);
void tux_engine_metrics(struct tux_engine *engine, uint64_t *out);

/* The counters of client addresses, for all engines; close them after the engines. `most`: addresses at once, more than
 * connections. `secret` has 16 bytes. */
int tux_clients_open(uint32_t most, const uint8_t *secret, struct tux_clients **out);
void tux_clients_close(struct tux_clients *clients);
/* The last client that this limit refused: the first 64 bits of an IPv6 address, or 0x0000ffff and an IPv4 address; 0
 * none. */
uint64_t tux_clients_refused(struct tux_clients *clients, uint32_t limit);
/* For tests: the client, by the fields of a head; -1 when a proxy does not know it. `address` in and out. */
int tux_test_forwarded(const uint8_t *head, size_t length, uint32_t field, const struct tux_class *networks,
                       uint32_t count, uint8_t *address);

/* The access log: one thread writes the lines of all engines. It alone opens, checks and writes the file, and no other
 * thread waits for it. */
struct tux_log_options {
    const uint8_t *program;     /* the format: logplan.h */
    size_t program_bytes;
    const char *path;           /* where the file is opened again; NULL: it never is */
    uint32_t journal_bytes;     /* of each engine */
    uint32_t flush_ms;          /* lines are written after so long at the latest */
    int fd;                     /* taken over in any case */
    uint8_t wait;               /* when lines are not written fast enough, requests wait; else lines are lost */
};
struct tux_log_state {
    uint64_t lines;             /* written */
    uint64_t lost;              /* not written: there was no room, or a write failed */
    uint64_t failed_writes;
    int error;                  /* errno of the last write, 0 when it was fine */
    int reopen_error;           /* errno of the last attempt to open the file again, 0 when it was fine */
};
/* The values of a log record that are not in the request's head. Addresses as in address.h. */
struct tux_log_facts {
    int64_t wall_ms;            /* when it ended */
    uint64_t body_bytes;        /* bytes of the body that the kernel took */
    uint32_t duration_ms;       /* from the head to the end */
    uint16_t status, port;      /* port of the peer */
    uint8_t peer[16], client[16]; /* the peer of the connection, and the client that trusted proxies name */
    uint8_t source;             /* enum tux_log_source */
    uint8_t spare[7];
};

int tux_log_open(const struct tux_log_options *options, struct tux_log **out);
/* Open the file of this name again, soon. Returns at once. */
void tux_log_reopen(struct tux_log *log);
void tux_log_state(struct tux_log *log, struct tux_log_state *out);
/* Call it when no engine uses the log. Writes the lines that are left, unless the reader takes nothing; that takes four
 * seconds at most. `out` becomes the last state. */
void tux_log_close(struct tux_log *log, struct tux_log_state *out);
/* For tests: the line that a format makes of a head, each value cut after `most` bytes. -EINVAL: the format is not
 * valid; -ENOMEM. */
int64_t tux_test_log_line(const uint8_t *program, size_t program_bytes, const uint8_t *head, size_t head_bytes,
                          const struct tux_log_facts *facts, uint32_t most, uint8_t *out, size_t room);
