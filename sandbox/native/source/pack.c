/*
 * Packs files as a tar stream, as `tar -c --format=posix --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0
 * --hard-dereference` does. It runs in a process that has the account of the build and no capability, after all processes of
 * the build have ended, so nothing changes meanwhile. Names and content are the build's: a name of any length and a folder of
 * any depth ends in a message, and the reader of the stream treats all of it as hostile.
 */
#include "program.h"

enum { BLOCK = 512, OUTPUT_BYTES = 256 * 1024, PATH_BYTES_MAX = 1 << 20, LEVELS_MAX = 16000, LINK_BYTES_MAX = 64 * 1024 };
#define USTAR_SIZE_MAX 077777777777LL

static struct { char bytes[OUTPUT_BYTES]; size_t at; int fd; } output;
static char path[PATH_BYTES_MAX + 1];
static int failed;

static void miss(const char *what, long error) {
  complain(what, path, error);
  failed = 1;
}

static void flush(void) {
  if (write_all(output.fd, output.bytes, output.at) < 0) leave(1);
  output.at = 0;
}

static void put(const char *from, size_t bytes) {
  while (bytes > 0) {
    size_t here = sizeof output.bytes - output.at;
    if (here > bytes) here = bytes;
    memcpy(output.bytes + output.at, from, here);
    output.at += here;
    from += here;
    bytes -= here;
    if (output.at == sizeof output.bytes) flush();
  }
}

static void put_zeros(uint64_t bytes) {
  while (bytes > 0) {
    size_t here = sizeof output.bytes - output.at;
    if (here > bytes) here = (size_t)bytes;
    memset(output.bytes + output.at, 0, here);
    output.at += here;
    bytes -= here;
    if (output.at == sizeof output.bytes) flush();
  }
}

static void octal(char *at, size_t digits, uint64_t value) {
  for (size_t n = digits; n > 0; n--, value >>= 3) at[n - 1] = (char)('0' + (value & 7));
}

/* A header in ustar format (POSIX.1-1988): names of at most 100 bytes. */
static void put_header(const char *name, size_t bytes, char type, uint32_t mode, uint64_t size, const char *link, uint64_t device) {
  char header[BLOCK];
  memset(header, 0, sizeof header);
  memcpy(header, name, bytes < 100 ? bytes : 100);
  octal(header + 100, 7, mode);
  octal(header + 108, 7, 0);
  octal(header + 116, 7, 0);
  octal(header + 124, 11, size > USTAR_SIZE_MAX ? 0 : size);
  octal(header + 136, 11, 0);
  header[156] = type;
  size_t linked = length(link);
  memcpy(header + 157, link, linked < 100 ? linked : 100);
  memcpy(header + 257, "ustar\00000", 8);
  if (type == '3' || type == '4') {
    /* As the kernel packs a device number (linux/kdev_t.h, new_encode_dev). */
    octal(header + 329, 7, device >> 8 & 0xfff);
    octal(header + 337, 7, (device & 0xff) | (device >> 12 & 0xfff00));
  }
  memset(header + 148, ' ', 8);
  uint64_t sum = 0;
  for (size_t n = 0; n < BLOCK; n++) sum += (unsigned char)header[n];
  octal(header + 148, 6, sum);
  header[154] = 0;
  put(header, sizeof header);
}

/* Whether a name is told by the ustar header alone. */
static int is_plain(const char *name, size_t bytes) {
  if (bytes > 100) return 0;
  for (size_t n = 0; n < bytes; n++)
    if ((unsigned char)name[n] >= 0x80) return 0;
  return 1;
}

/* Length of a record of an extended header, `LENGTH KEY=VALUE\n`, which counts its own digits. */
static size_t record_bytes(const char *key, size_t value) {
  char digits[20];
  size_t rest = length(key) + value + 3, all = rest + 1;
  while (rest + decimal(digits, all) != all) all = rest + decimal(digits, all);
  return all;
}

static void put_record(const char *key, const char *value, size_t bytes) {
  char digits[20];
  put(digits, decimal(digits, record_bytes(key, bytes)));
  put(" ", 1);
  put(key, length(key));
  put("=", 1);
  put(value, bytes);
  put("\n", 1);
}

/* The header of an entry, after an extended one (POSIX.1-2001) for what does not fit. */
static void put_entry(size_t name, char type, const struct stat *file, uint64_t size, const char *link) {
  size_t linked = length(link);
  char digits[20];
  size_t large = size > USTAR_SIZE_MAX ? decimal(digits, size) : 0;
  int long_name = !is_plain(path, name), long_link = !is_plain(link, linked);
  size_t bytes = (long_name ? record_bytes("path", name) : 0) + (long_link ? record_bytes("linkpath", linked) : 0) +
    (large > 0 ? record_bytes("size", large) : 0);
  if (bytes > 0) {
    put_header("PaxHeader", 9, 'x', 0644, bytes, "", 0);
    if (long_link) put_record("linkpath", link, linked);
    if (long_name) put_record("path", path, name);
    if (large > 0) put_record("size", digits, large);
    put_zeros(-(uint64_t)bytes % BLOCK);
  }
  put_header(path, name, type, file->mode & 07777, size, link, file->rdev);
}

static void pack_file(int folder, const char *name, size_t bytes, const struct stat *file) {
  long fd = sys(nr_openat, folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return miss("cannot open", fd);
  put_entry(bytes, '0', file, (uint64_t)file->size, "");
  uint64_t left = (uint64_t)file->size;
  while (left > 0) {
    size_t here = sizeof output.bytes - output.at;
    if (here > left) here = (size_t)left;
    long got = sys(nr_read, fd, output.bytes + output.at, here);
    if (got == -EINTR) continue;
    if (got <= 0) {
      miss(got < 0 ? "cannot read" : "is shorter than it was:", got);
      break;
    }
    output.at += (size_t)got;
    left -= (uint64_t)got;
    if (output.at == sizeof output.bytes) flush();
  }
  put_zeros(left);
  put_zeros(-(uint64_t)file->size % BLOCK);
  sys(nr_close, fd);
}

static void pack_link(int folder, const char *name, size_t bytes, const struct stat *file) {
  static char target[LINK_BYTES_MAX];
  long got = sys(nr_readlinkat, folder, name, target, sizeof target - 1);
  if (got < 0) return miss("cannot read the link", got);
  target[got] = 0;
  put_entry(bytes, '2', file, 0, target);
}

/* Names of the open folders, NUL-terminated, each folder's followed by the offsets of these names in order. */
static struct { char *bytes; size_t at, all; } names;

static int room_for(size_t bytes) {
  if (names.all - names.at >= bytes) return 0;
  size_t all = names.all == 0 ? 1 << 20 : names.all * 2;
  while (all - names.at < bytes) all *= 2;
  /* MREMAP_MAYMOVE */
  long at = names.bytes == 0 ? (long)memory(all) : sys(nr_mremap, names.bytes, names.all, all, 1, 0);
  if (at == 0 || (at < 0 && at > -4096)) return -1;
  names.bytes = (char *)at;
  names.all = all;
  return 0;
}

static int in_order(const size_t *list, size_t a, size_t b) {
  return compare(names.bytes + list[a], names.bytes + list[b]) < 0;
}

static void exchange(size_t *list, size_t a, size_t b) {
  size_t kept = list[a];
  list[a] = list[b];
  list[b] = kept;
}

/* Heapsort: no recursion, and no order of names is slow. */
static void sort(size_t *list, size_t count) {
  for (size_t end = count, from = count / 2; end > 1;) {
    if (from > 0) from--;
    else exchange(list, 0, --end);
    for (size_t root = from; root * 2 + 1 < end;) {
      size_t child = root * 2 + 1;
      if (child + 1 < end && in_order(list, child, child + 1)) child++;
      if (!in_order(list, root, child)) break;
      exchange(list, root, child);
      root = child;
    }
  }
}

struct level { int fd; size_t path, names, list, count, next; };
static struct level levels[LEVELS_MAX];

/* Reads the names of a folder. Returns 0, or a negative error. */
static long read_names(struct level *level) {
  static char entries[32 * 1024];
  long got;
  level->names = names.at;
  level->count = level->next = 0;
  while ((got = sys(nr_getdents, level->fd, entries, sizeof entries)) > 0) {
    for (long at = 0; at < got;) {
      const struct dirent *found = (const void *)(entries + at);
      at += found->bytes;
      if (same(found->name, ".") || same(found->name, "..")) continue;
      size_t bytes = length(found->name) + 1;
      if (room_for(bytes) < 0) return -ENOMEM;
      memcpy(names.bytes + names.at, found->name, bytes);
      names.at += bytes;
      level->count++;
    }
  }
  if (got < 0) return got;
  if (room_for(16 + level->count * sizeof(size_t)) < 0) return -ENOMEM;
  level->list = (names.at + 15) & ~(size_t)15;
  size_t *list = (size_t *)(names.bytes + level->list);
  for (size_t n = 0, at = level->names; n < level->count; n++) {
    list[n] = at;
    at += length(names.bytes + at) + 1;
  }
  sort(list, level->count);
  names.at = level->list + level->count * sizeof(size_t);
  return 0;
}

/* Packs one entry. For a folder it opens the next level, and returns 1. */
static int pack_one(int folder, const char *name, size_t bytes, struct level *next) {
  struct stat file;
  long found = sys(nr_fstatat, folder, name, &file, AT_SYMLINK_NOFOLLOW);
  if (found < 0) return miss("cannot stat", found), 0;
  switch (file.mode & S_IFMT) {
    case S_IFREG: pack_file(folder, name, bytes, &file); return 0;
    case S_IFLNK: pack_link(folder, name, bytes, &file); return 0;
    case S_IFCHR: put_entry(bytes, '3', &file, 0, ""); return 0;
    case S_IFBLK: put_entry(bytes, '4', &file, 0, ""); return 0;
    case S_IFIFO: put_entry(bytes, '6', &file, 0, ""); return 0;
    case S_IFDIR: break;
    default: complain("a socket is left out:", path, 0); return 0;
  }
  long fd = sys(nr_openat, folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  path[bytes] = '/';
  path[bytes + 1] = 0;
  put_entry(bytes + 1, '5', &file, 0, "");
  if (fd < 0) return miss("cannot open", fd), 0;
  if (next == levels + LEVELS_MAX) return miss("too many folders in folders:", 0), 0;
  *next = (struct level){.fd = (int)fd, .path = bytes + 1};
  size_t kept = names.at;
  long read = read_names(next);
  if (read >= 0) return 1;
  names.at = kept;
  miss("cannot read", read);
  sys(nr_close, fd);
  return 0;
}

static void pack_tree(const char *top) {
  size_t bytes = length(top);
  if (bytes + 2 > PATH_BYTES_MAX) return miss("too long a path", 0);
  memcpy(path, top, bytes + 1);
  size_t depth = (size_t)pack_one(AT_FDCWD, top, bytes, levels);
  while (depth > 0) {
    struct level *level = levels + depth - 1;
    if (level->next == level->count) {
      sys(nr_close, level->fd);
      names.at = level->names;
      depth--;
      continue;
    }
    const char *name = names.bytes + ((size_t *)(names.bytes + level->list))[level->next++];
    size_t more = length(name);
    path[level->path] = 0;
    if (level->path + more + 2 > PATH_BYTES_MAX) {
      miss("too long a path below", 0);
      continue;
    }
    memcpy(path + level->path, name, more + 1);
    /* The name may move when the next level's are read; its copy at the end of the path does not. */
    depth += (size_t)pack_one(level->fd, path + level->path, level->path + more, levels + depth);
  }
}

int pack(int out, char **paths, size_t count) {
  /* One open folder a level: what the hard limit allows (prlimit(2)). */
  struct rlimit open;
  if (sys(nr_prlimit, 0, RLIMIT_NOFILE, 0, &open) >= 0) {
    open.soft = open.hard;
    sys(nr_prlimit, 0, RLIMIT_NOFILE, &open, 0);
  }
  output.fd = out;
  for (size_t n = 0; n < count; n++) pack_tree(paths[n]);
  put_zeros(2 * BLOCK);
  flush();
  return failed;
}
