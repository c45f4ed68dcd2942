/* uring_abi.h: the part of the kernel's io_uring interface that we use, written down here so that a build
 * needs no particular kernel header. Values are ABI and never change: io_uring_setup(2), io_uring_enter(2),
 * io_uring_register(2). */
#ifndef TUX_URING_ABI_H
#define TUX_URING_ABI_H

#include "base/base.h"

enum { SYS_URING_SETUP = 425, SYS_URING_ENTER = 426, SYS_URING_REGISTER = 427 };

enum {
    OP_POLL_ADD = 6, OP_ACCEPT = 13, OP_ASYNC_CANCEL = 14, OP_CLOSE = 19, OP_READ = 22, OP_SEND = 26, OP_RECV = 27,
    OP_OPENAT2 = 28,
};

enum { /* io_uring_sqe.flags */
    SQE_FIXED_FILE = 1u << 0, SQE_IO_HARDLINK = 1u << 3, SQE_BUFFER_SELECT = 1u << 5,
    SQE_CQE_SKIP_SUCCESS = 1u << 6,
};
enum { ACCEPT_MULTISHOT = 1u << 0, RECV_MULTISHOT = 1u << 1 };
enum { CQE_F_BUFFER = 1u << 0, CQE_F_MORE = 1u << 1, CQE_BUFFER_SHIFT = 16 };
enum { /* io_uring_params.flags */
    SETUP_CQSIZE = 1u << 3, SETUP_CLAMP = 1u << 4, SETUP_SUBMIT_ALL = 1u << 7, SETUP_SINGLE_ISSUER = 1u << 12,
    SETUP_DEFER_TASKRUN = 1u << 13,
};
enum { FEAT_SINGLE_MMAP = 1u << 0, FEAT_NODROP = 1u << 1, FEAT_EXT_ARG = 1u << 8 };
enum { ENTER_GETEVENTS = 1u << 0, ENTER_EXT_ARG = 1u << 3, ENTER_REGISTERED_RING = 1u << 4 };
enum { REGISTER_FILES2 = 13, REGISTER_IOWQ_MAX_WORKERS = 19, REGISTER_RING_FDS = 20, REGISTER_PBUF_RING = 22 };
enum { RSRC_REGISTER_SPARSE = 1u << 0 };
#define OFF_SQ_RING 0ULL
#define OFF_SQES 0x10000000ULL

struct uring_sqe {
    u8 opcode, flags;
    u16 ioprio;
    int fd;
    u64 off, addr;
    u32 len, op_flags;
    u64 user_data;
    u16 buf_group, personality;
    u32 file_index;
    u64 addr3, pad;
};

struct uring_cqe {
    u64 user_data;
    int res;
    u32 flags;
};

struct uring_params {
    u32 sq_entries, cq_entries, flags, sq_thread_cpu, sq_thread_idle, features, wq_fd, resv[3];
    struct { u32 head, tail, ring_mask, ring_entries, flags, dropped, array, resv1; u64 user_addr; } sq_off;
    struct { u32 head, tail, ring_mask, ring_entries, overflow, cqes, flags, resv1; u64 user_addr; } cq_off;
};

struct uring_buf { /* one entry of a provided-buffer ring; entry 0's `tail` is the ring's */
    u64 addr;
    u32 len;
    u16 bid, tail;
};

struct uring_buf_reg {
    u64 ring_addr;
    u32 ring_entries;
    u16 bgid, flags;
    u64 resv[3];
};

struct uring_rsrc_register {
    u32 nr, flags;
    u64 resv2, data, tags;
};

struct uring_rsrc_update {
    u32 offset, resv;
    u64 data;
};

struct uring_getevents_arg {
    u64 sigmask;
    u32 sigmask_sz, min_wait_usec;
    u64 ts;
};

_Static_assert(sizeof(struct uring_sqe) == 64, "io_uring_sqe");
_Static_assert(sizeof(struct uring_cqe) == 16, "io_uring_cqe");
_Static_assert(sizeof(struct uring_params) == 120, "io_uring_params");
_Static_assert(sizeof(struct uring_buf) == 16, "io_uring_buf");
_Static_assert(sizeof(struct uring_buf_reg) == 40, "io_uring_buf_reg");

#endif
