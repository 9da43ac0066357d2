#include "sys.h"

void *memcpy(void *to, const void *from, size_t bytes) {
  char *t = to;
  const char *f = from;
  for (size_t n = 0; n < bytes; n++) t[n] = f[n];
  return to;
}

void *memset(void *at, int value, size_t bytes) {
  char *t = at;
  for (size_t n = 0; n < bytes; n++) t[n] = (char)value;
  return at;
}

int write_all(int fd, const void *bytes, size_t count) {
  const char *at = bytes;
  while (count > 0) {
    long wrote = sys(nr_write, fd, at, count);
    if (wrote == -EINTR) continue;
    if (wrote <= 0) return -1;
    at += wrote;
    count -= (size_t)wrote;
  }
  return 0;
}

static const char *reason(long error) {
  switch (error < 0 ? -error : error) {
    case EPERM: return "Operation not permitted";
    case ENOENT: return "No such file or directory";
    case E2BIG: return "Argument list too long";
    case ENOMEM: return "Cannot allocate memory";
    case EACCES: return "Permission denied";
    case EEXIST: return "File exists";
    case ENOTDIR: return "Not a directory";
    case EISDIR: return "Is a directory";
    case EINVAL: return "Invalid argument";
    case EMFILE: return "Too many open files";
    case ENOSPC: return "No space left on device";
    case ENAMETOOLONG: return "File name too long";
    case ELOOP: return "Too many levels of symbolic links";
    default: return "error ";
  }
}

void complain(const char *what, const char *name, long error) {
  /* One write, so that lines of several writers do not mix. */
  char line[512];
  size_t at = 0;
  const char *parts[] = {"quorate: ", what, name[0] == 0 ? "" : " ", name, error == 0 ? "" : ": ", error == 0 ? "" : reason(error)};
  for (size_t n = 0; n < sizeof parts / sizeof *parts; n++)
    for (const char *c = parts[n]; *c != 0 && at < sizeof line - 32; c++) line[at++] = *c;
  if (at > 0 && line[at - 1] == ' ') at += decimal(line + at, (uint64_t)(error < 0 ? -error : error));
  line[at++] = '\n';
  write_all(2, line, at);
}

_Noreturn void fail(const char *what, const char *name, long error) {
  complain(what, name, error);
  leave(SETUP_FAILED);
}

int64_t number(const char *text, unsigned base, int64_t most) {
  int64_t value = 0;
  if (*text == 0) return -1;
  for (; *text != 0; text++) {
    unsigned digit = (unsigned)(*text - '0');
    if (digit >= base || value > (most - digit) / base) return -1;
    value = value * base + digit;
  }
  return value;
}

size_t decimal(char *at, uint64_t value) {
  char digits[20];
  size_t count = 0;
  do digits[count++] = (char)('0' + value % 10);
  while ((value /= 10) > 0);
  for (size_t n = 0; n < count; n++) at[n] = digits[count - 1 - n];
  return count;
}

/* As close_from does, one by one: gVisor has no close_range(2), nor has Linux before 5.9. */
static void close_listed(int64_t first) {
  char entries[4096];
  long folder = sys(nr_openat, AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC), got;
  if (folder < 0) fail("cannot list", "/proc/self/fd", folder);
  while ((got = sys(nr_getdents, folder, entries, sizeof entries)) > 0) {
    for (long at = 0; at < got;) {
      const struct dirent *found = (const void *)(entries + at);
      int64_t fd = number(found->name, 10, INT32_MAX);
      if (fd >= first && fd != folder) sys(nr_close, fd);
      at += found->bytes;
    }
  }
  if (got < 0) fail("cannot list", "/proc/self/fd", got);
  sys(nr_close, folder);
}

void close_from(unsigned first) {
  if (sys(nr_close_range, first, ~0U, 0) < 0) close_listed(first);
}

void *memory(size_t bytes) {
  /* PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS */
  long at = sys(nr_mmap, 0, bytes, 3, 0x22, -1, 0);
  return at < 0 && at > -4096 ? 0 : (void *)at;
}
