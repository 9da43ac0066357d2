/*
 * Raw system calls, constants of the kernel's interface, and string functions of the program. No libc, no
 * headers of the kernel, so that the bytes of the program depend on the compiler only. Numbers and layouts: UAPI headers of
 * Linux 6.12 (asm/unistd_64.h, asm-generic/unistd.h, asm/stat.h, linux/fcntl.h, linux/stat.h, linux/prctl.h).
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#if defined __x86_64__
enum {
  nr_read = 0, nr_write = 1, nr_close = 3, nr_fstat = 5, nr_mmap = 9, nr_sigprocmask = 14, nr_mremap = 25, nr_getpid = 39,
  nr_clone = 56, nr_execve = 59, nr_wait4 = 61, nr_kill = 62, nr_fcntl = 72, nr_chdir = 80, nr_fchmod = 91, nr_umask = 95,
  nr_getuid = 102, nr_setsid = 112, nr_setgroups = 116, nr_setresuid = 117, nr_setresgid = 119, nr_capset = 126, nr_getpriority = 140,
  nr_setpriority = 141, nr_prctl = 157, nr_mount = 165, nr_sched_setaffinity = 203, nr_getdents = 217, nr_exit = 231,
  nr_openat = 257, nr_mkdirat = 258, nr_fstatat = 262, nr_unlinkat = 263, nr_linkat = 265, nr_symlinkat = 266,
  nr_readlinkat = 267, nr_faccessat = 269, nr_ppoll = 271, nr_unshare = 272, nr_utimensat = 280, nr_signalfd = 289,
  nr_dup3 = 292, nr_pipe2 = 293, nr_prlimit = 302, nr_memfd_create = 319, nr_close_range = 436,
};
struct stat {
  uint64_t dev, ino, links;
  uint32_t mode, uid, gid, pad;
  uint64_t rdev;
  int64_t size, rest[11];
};
#define O_DIRECTORY 0200000
#define O_NOFOLLOW 0400000
static inline long syscall6(long nr, long a, long b, long c, long d, long e, long f) {
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall" : "=a"(result) : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
  return result;
}
#elif defined __aarch64__
enum {
  nr_read = 63, nr_write = 64, nr_close = 57, nr_fstat = 80, nr_mmap = 222, nr_sigprocmask = 135, nr_mremap = 216,
  nr_getpid = 172, nr_clone = 220, nr_execve = 221, nr_wait4 = 260, nr_kill = 129, nr_fcntl = 25, nr_chdir = 49,
  nr_fchmod = 52, nr_umask = 166, nr_getuid = 174, nr_setsid = 157, nr_setgroups = 159, nr_setresuid = 147, nr_setresgid = 149,
  nr_capset = 91, nr_getpriority = 141, nr_setpriority = 140, nr_prctl = 167, nr_mount = 40, nr_sched_setaffinity = 122,
  nr_getdents = 61, nr_exit = 94, nr_openat = 56, nr_mkdirat = 34, nr_fstatat = 79, nr_unlinkat = 35, nr_linkat = 37,
  nr_symlinkat = 36, nr_readlinkat = 78, nr_faccessat = 48, nr_ppoll = 73, nr_unshare = 97, nr_utimensat = 88,
  nr_signalfd = 74, nr_dup3 = 24, nr_pipe2 = 59, nr_prlimit = 261, nr_memfd_create = 279, nr_close_range = 436,
};
struct stat {
  uint64_t dev, ino;
  uint32_t mode, links, uid, gid;
  uint64_t rdev, pad;
  int64_t size, rest[9];
};
#define O_DIRECTORY 040000
#define O_NOFOLLOW 0100000
static inline long syscall6(long nr, long a, long b, long c, long d, long e, long f) {
  register long x8 __asm__("x8") = nr;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = f;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
}
#else
#error "x86-64 and aarch64 only"
#endif

/* Results below 0 are negative errors, as the kernel gives them. */
#define sys(nr, ...) syscall_with(nr, __VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define syscall_with(nr, a, b, c, d, e, f, ...) \
  syscall6(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

enum { EPERM = 1, ENOENT = 2, EINTR = 4, E2BIG = 7, ECHILD = 10, EAGAIN = 11, ENOMEM = 12, EACCES = 13, EEXIST = 17,
  ENOTDIR = 20, EISDIR = 21, EINVAL = 22, ENFILE = 23, EMFILE = 24, ENOSPC = 28, EPIPE = 32, ENAMETOOLONG = 36, ENOSYS = 38,
  ELOOP = 40, EDQUOT = 122 };
enum { O_RDONLY = 0, O_WRONLY = 1, O_RDWR = 2, O_CREAT = 0100, O_EXCL = 0200, O_NONBLOCK = 04000, O_CLOEXEC = 02000000,
  O_PATH = 010000000 };
enum { AT_FDCWD = -100, AT_SYMLINK_NOFOLLOW = 0x100 };
enum { S_IFMT = 0170000, S_IFSOCK = 0140000, S_IFLNK = 0120000, S_IFREG = 0100000, S_IFBLK = 0060000, S_IFDIR = 0040000,
  S_IFCHR = 0020000, S_IFIFO = 0010000 };
enum { SIGKILL = 9, SIGCHLD = 17 };
#define WALL 0x40000000

struct timespec { int64_t seconds, nanoseconds; };
struct rlimit { uint64_t soft, hard; };
/* struct linux_dirent64 (getdents(2)) */
struct dirent { uint64_t inode; int64_t offset; uint16_t bytes; uint8_t type; char name[]; };
enum { RLIMIT_CORE = 4, RLIMIT_NOFILE = 7, RLIMIT_NICE = 13, RLIMIT_RTPRIO = 14 };

static inline _Noreturn void leave(int code) {
  for (;;) sys(nr_exit, code);
}

static inline size_t length(const char *text) {
  size_t n = 0;
  while (text[n] != 0) n++;
  return n;
}
static inline int compare(const char *a, const char *b) {
  while (*a != 0 && *a == *b) a++, b++;
  return (unsigned char)*a - (unsigned char)*b;
}
static inline int same(const char *a, const char *b) { return compare(a, b) == 0; }

/* The compiler may call these. */
void *memcpy(void *to, const void *from, size_t bytes);
void *memset(void *at, int value, size_t bytes);

int write_all(int fd, const void *bytes, size_t count);
/* One line on standard error: `quorate: what name: reason`. */
void complain(const char *what, const char *name, long error);
/* The same, then ends with the code of a failed set-up. */
_Noreturn void fail(const char *what, const char *name, long error);
/* Digits of a base to their end, at most `most`; -1 for anything else. */
int64_t number(const char *text, unsigned base, int64_t most);
size_t decimal(char *at, uint64_t value);
/* Closes `first` and all descriptors above. */
void close_from(unsigned first);
/* Anonymous memory, zeroed; 0 when there is none. */
void *memory(size_t bytes);

enum { SETUP_FAILED = 125 };
