#![doc = include_str!("../../docs/from-tokio.md")]
// The names that the page has and the crate has not.
#![doc(alias(
    "advance", "AsyncBufRead", "AsyncBufReadExt", "AsyncFdReadyGuard", "AsyncFdReadyMutGuard",
    "AsyncFdRegisterError", "AsyncRead", "AsyncReadExt", "AsyncSeek", "AsyncSeekExt", "AsyncWrite",
    "AsyncWriteExt", "canonicalize", "Chain", "Coop", "cooperative", "copy",
    "copy_bidirectional_with_sizes", "copy_buf", "create_dir", "create_dir_all", "DirBuilder",
    "DirEntry", "Empty", "empty", "EnterGuard", "Error", "File", "FileTimes", "gid_t", "hard_link",
    "has_budget_remaining", "Id", "Interest", "is_rt_shutdown_err", "join", "Join",
    "LocalEnterGuard", "main", "MappedMutexGuard", "metadata", "OpenOptions",
    "OwnedMappedMutexGuard", "OwnedRwLockMappedWriteGuard", "pause", "PermitIterator", "pid_t",
    "poll_proceed", "read", "read_dir", "read_link", "read_to_string", "ReadBuf", "ReadDir",
    "ReadHalf", "Ready", "remove_dir", "remove_dir_all", "remove_file", "rename", "Repeat",
    "repeat", "RestoreOnPending", "resume", "RuntimeFlavor", "RwLockMappedWriteGuard",
    "set_permissions", "SetOnceError", "SimplexStream", "sink", "Sink", "Stderr", "stderr",
    "stdin", "Stdin", "stdout", "Stdout", "symlink", "symlink_metadata", "Take", "TaskLocalFuture",
    "test", "try_exists", "TryCurrentError", "TryIoError", "uid_t", "unconstrained",
    "Unconstrained", "UnixSocket", "worker_index", "write", "WriteHalf",
))]

#[allow(unused_imports, reason = "the page's links start here")]
use crate::{
    context_var, event_loop,
    event_loop::{EventLoop, Handle, run, statistics, try_run},
    green, io, join, launcher, net, process, queue, select, signal, sync, task,
    task::{join_all, spawn, spawn_blocking, yield_now},
    task_local, thread_pool, time,
    time::{sleep, timeout},
    try_join,
};
