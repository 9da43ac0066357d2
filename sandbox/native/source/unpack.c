/*
 * Unpacks a tar stream (POSIX.1-1988 ustar, with the extended headers of POSIX.1-2001 for long names) from standard input to
 * the current folder, as `tar -x -p --no-same-owner` does: files, folders, symbolic and hard links, with permissions and times.
 *
 * The stream is what the worker joined (sandbox/archive.ts), from sources and inputs that strangers made. It runs in a process
 * that has the account of the build and no capability, before anything of the build runs. Every name is walked folder by
 * folder with O_NOFOLLOW, so none leads out of the current folder, not even over a link that the stream made.
 */
#include "program.h"

enum { BLOCK = 512, INPUT_BYTES = 256 * 1024, NAME_BYTES_MAX = 64 * 1024, PAX_BYTES_MAX = 256 * 1024 };

static struct { char bytes[INPUT_BYTES]; size_t at, end; } input;

/* One entry. `name` and `link` are NUL-terminated. */
static struct { char type; uint32_t mode; int64_t size, time; char name[NAME_BYTES_MAX + 1], link[NAME_BYTES_MAX + 1]; } entry;
/* Fields of an extended header (pax), for the entry that follows it. */
static struct { char name[NAME_BYTES_MAX + 1], link[NAME_BYTES_MAX + 1]; int64_t size; int has_name, has_link, has_size; } pax;

static _Noreturn void give_up(const char *what, long error) {
  complain(what, entry.name, error);
  leave(error == -ENOSPC || error == -EDQUOT ? UNPACK_FULL : UNPACK_FAILED);
}

/* Reads until at least `wanted` bytes are in the buffer, at most a block. */
static void want(size_t wanted) {
  if (input.end - input.at >= wanted) return;
  size_t kept = input.end - input.at;
  for (size_t n = 0; n < kept; n++) input.bytes[n] = input.bytes[input.at + n];
  input.at = 0;
  input.end = kept;
  while (input.end < wanted) {
    long got = sys(nr_read, 0, input.bytes + input.end, sizeof input.bytes - input.end);
    if (got == -EINTR) continue;
    if (got < 0) give_up("cannot read the stream at", got);
    if (got == 0) {
      complain("the stream of source and inputs was cut short", "", 0);
      leave(UNPACK_CUT);
    }
    input.end += (size_t)got;
  }
}

/* The next bytes of an entry's content, at most `left`; 0 at its end. */
static size_t some(int64_t left, char **at) {
  if (left <= 0) return 0;
  if (input.at == input.end) want(1);
  size_t here = input.end - input.at;
  if ((int64_t)here > left) here = (size_t)left;
  *at = input.bytes + input.at;
  input.at += here;
  return here;
}

/* Content is filled up to whole blocks. */
static void skip_padding(int64_t size) {
  size_t rest = (size_t)(-(uint64_t)size % BLOCK);
  if (rest == 0) return;
  want(rest);
  input.at += rest;
}

static void skip(int64_t size) {
  char *at;
  for (int64_t left = size; left > 0;) left -= (int64_t)some(left, &at);
  skip_padding(size);
}

/* A number of a header: octal digits between blanks, or base 256 where the first bit is set. */
static int64_t field(const char *at, size_t bytes) {
  int64_t value = 0;
  if ((unsigned char)at[0] == 0x80) {
    for (size_t n = 1; n < bytes; n++) {
      if (value >> 54 != 0) return -1;
      value = value << 8 | (unsigned char)at[n];
    }
    return value;
  }
  size_t n = 0;
  while (n < bytes && at[n] == ' ') n++;
  for (; n < bytes && at[n] >= '0' && at[n] <= '7'; n++) {
    if (value >> 59 != 0) return -1;
    value = value << 3 | (at[n] - '0');
  }
  return n == bytes || at[n] == ' ' || at[n] == 0 ? value : -1;
}

static int is_sum_of(const char *header) {
  int64_t sum = 0;
  for (size_t n = 0; n < BLOCK; n++) sum += n >= 148 && n < 156 ? ' ' : (unsigned char)header[n];
  return field(header + 148, 8) == sum;
}

/* Copies text that ends with NUL or with its field. */
static size_t text(char *to, const char *from, size_t most) {
  size_t n = 0;
  while (n < most && from[n] != 0) to[n] = from[n], n++;
  to[n] = 0;
  return n;
}

/* Reads a header. Returns 0 at the end of the archive. */
static int read_header(void) {
  want(BLOCK);
  const char *header = input.bytes + input.at;
  size_t zeros = 0;
  while (zeros < BLOCK && header[zeros] == 0) zeros++;
  input.at += BLOCK;
  if (zeros == BLOCK) return 0;
  entry.name[0] = 0;
  if (!is_sum_of(header)) give_up("the stream of source and inputs is no tar", 0);
  size_t before = 0;
  if (header[345] != 0) {
    before = text(entry.name, header + 345, 155);
    entry.name[before++] = '/';
  }
  text(entry.name + before, header, 100);
  text(entry.link, header + 157, 100);
  int64_t mode = field(header + 100, 8);
  entry.size = field(header + 124, 12);
  entry.time = field(header + 136, 12);
  entry.type = header[156];
  if (mode < 0 || entry.size < 0 || entry.time < 0) give_up("a number in the header of", EINVAL);
  /* The worker lets no more than 0777 through, and adds the sticky folder for temporary files. */
  entry.mode = (uint32_t)mode & 01777;
  return 1;
}

/* One record of an extended header: `LENGTH KEY=VALUE\n`, its length included. Returns how many bytes it has. */
static size_t pax_record(char *at, size_t left) {
  size_t bytes = 0, n = 0;
  for (; n < left && at[n] >= '0' && at[n] <= '9' && bytes < PAX_BYTES_MAX; n++) bytes = bytes * 10 + (size_t)(at[n] - '0');
  if (n == 0 || n == left || at[n] != ' ' || bytes > left || bytes <= n + 2 || at[bytes - 1] != '\n')
    give_up("an extended header is damaged before", EINVAL);
  char *key = at + n + 1, *end = at + bytes - 1, *value = key;
  while (value < end && *value != '=') value++;
  if (value == end) give_up("an extended header is damaged before", EINVAL);
  *value++ = 0;
  *end = 0;
  size_t size = (size_t)(end - value);
  int named = same(key, "path"), linked = same(key, "linkpath");
  if ((named || linked) && (size > NAME_BYTES_MAX || length(value) != size)) give_up("a name that is no path, in", EINVAL);
  if (named) text(pax.name, value, size), pax.has_name = 1;
  if (linked) text(pax.link, value, size), pax.has_link = 1;
  if (same(key, "size")) {
    pax.size = number(value, 10, INT64_MAX / 2);
    pax.has_size = 1;
    if (pax.size < 0) give_up("a size in an extended header, before", EINVAL);
  }
  return bytes;
}

static void read_pax(void) {
  static char body[PAX_BYTES_MAX];
  if (entry.size > (int64_t)sizeof body) give_up("an extended header is too long:", E2BIG);
  size_t bytes = (size_t)entry.size, got = 0;
  char *from;
  while (got < bytes) {
    size_t here = some((int64_t)(bytes - got), &from);
    memcpy(body + got, from, here);
    got += here;
  }
  skip_padding(entry.size);
  pax.has_name = pax.has_link = pax.has_size = 0;
  for (size_t at = 0; at < bytes;) at += pax_record(body + at, bytes - at);
}

static void take_pax(void) {
  if (pax.has_name) text(entry.name, pax.name, NAME_BYTES_MAX);
  if (pax.has_link) text(entry.link, pax.link, NAME_BYTES_MAX);
  if (pax.has_size) entry.size = pax.size;
  pax.has_name = pax.has_link = pax.has_size = 0;
}

/* The folder that the last name was in, which the next one often shares. */
static struct { char name[NAME_BYTES_MAX + 1]; size_t bytes; } parent;
static int parent_fd = AT_FDCWD;

/* Opens one folder in another and makes it where it is missing. A link is none. */
static int step_into(int fd, const char *name) {
  int flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  long next = sys(nr_openat, fd, name, flags);
  if (next == -ENOENT) {
    long made = sys(nr_mkdirat, fd, name, 0755);
    next = made < 0 ? made : sys(nr_openat, fd, name, flags);
  }
  if (next < 0) give_up("no folder for", next);
  return (int)next;
}

/* Opens the folder of a path and returns it. `last` becomes the last part of the path. Refuses what is empty, `.` or `..`. */
static int folder_of(char *path, char **last) {
  size_t bytes = length(path);
  while (bytes > 0 && path[bytes - 1] == '/') path[--bytes] = 0;
  size_t start = bytes;
  while (start > 0 && path[start - 1] != '/') start--;
  for (size_t from = 0; from <= bytes;) {
    size_t to = from;
    while (to < bytes && path[to] != '/') to++;
    size_t size = to - from;
    if (size == 0 || (size == 1 && path[from] == '.') || (size == 2 && path[from] == '.' && path[from + 1] == '.'))
      give_up("a path that leaves its folder:", 0);
    from = to + 1;
  }
  *last = path + start;
  size_t of = start == 0 ? 0 : start - 1;
  if (of == parent.bytes) {
    size_t n = 0;
    while (n < of && path[n] == parent.name[n]) n++;
    if (n == of) return parent_fd;
  }
  int fd = AT_FDCWD;
  for (size_t from = 0; from < of;) {
    size_t to = from;
    while (to < of && path[to] != '/') to++;
    char *end = path + to;
    *end = 0;
    int next = step_into(fd, path + from);
    *end = '/';
    if (fd != AT_FDCWD) sys(nr_close, fd);
    fd = next;
    from = to + 1;
  }
  if (parent_fd != AT_FDCWD) sys(nr_close, parent_fd);
  memcpy(parent.name, path, of);
  parent.bytes = of;
  parent_fd = fd;
  return fd;
}

/* Permissions and times of folders are set at the end, when nothing is put into them any more. */
struct folder { struct folder *before; uint32_t mode; int64_t time; char name[]; };
static struct folder *folders;

static void *keep(size_t bytes) {
  static char *free;
  static size_t left;
  bytes = (bytes + 15) & ~(size_t)15;
  if (bytes > left) {
    left = bytes > (1 << 20) ? bytes : 1 << 20;
    free = memory(left);
    if (free == 0) give_up("no memory for", -ENOMEM);
  }
  void *here = free;
  free += bytes;
  left -= bytes;
  return here;
}

static void remember_folder(int is_new) {
  struct folder *folder = is_new ? 0 : folders;
  while (folder != 0 && !same(folder->name, entry.name)) folder = folder->before;
  if (folder == 0) {
    size_t bytes = length(entry.name) + 1;
    folder = keep(sizeof *folder + bytes);
    memcpy(folder->name, entry.name, bytes);
    folder->before = folders;
    folders = folder;
  }
  folder->mode = entry.mode;
  folder->time = entry.time;
}

static void make_folder(void) {
  char *name;
  int at = folder_of(entry.name, &name);
  long made = sys(nr_mkdirat, at, name, 0700);
  int is_new = made >= 0;
  if (made == -EEXIST) {
    struct stat found;
    made = sys(nr_fstatat, at, name, &found, AT_SYMLINK_NOFOLLOW);
    if (made >= 0 && (found.mode & S_IFMT) != S_IFDIR) {
      made = sys(nr_unlinkat, at, name, 0);
      if (made >= 0) made = sys(nr_mkdirat, at, name, 0700);
    }
  }
  if (made < 0) give_up("cannot make", made);
  remember_folder(is_new);
}

static void finish_folders(void) {
  for (struct folder *folder = folders; folder != 0; folder = folder->before) {
    text(entry.name, folder->name, NAME_BYTES_MAX);
    char *name;
    int at = folder_of(entry.name, &name);
    struct timespec times[2] = {{folder->time, 0}, {folder->time, 0}};
    long fd = sys(nr_openat, at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    long done = fd < 0 ? fd : sys(nr_utimensat, fd, 0, times, 0);
    if (done >= 0) done = sys(nr_fchmod, fd, folder->mode);
    if (done < 0) give_up("cannot finish", done);
    sys(nr_close, fd);
  }
}

static void make_file(void) {
  char *name, *from;
  int at = folder_of(entry.name, &name);
  int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  long fd = sys(nr_openat, at, name, flags, entry.mode);
  if (fd == -EEXIST && sys(nr_unlinkat, at, name, 0) >= 0) fd = sys(nr_openat, at, name, flags, entry.mode);
  if (fd < 0) give_up("cannot make", fd);
  for (int64_t left = entry.size; left > 0;) {
    size_t here = some(left, &from);
    left -= (int64_t)here;
    while (here > 0) {
      long wrote = sys(nr_write, fd, from, here);
      if (wrote == -EINTR) continue;
      if (wrote <= 0) give_up("cannot write", wrote);
      from += wrote;
      here -= (size_t)wrote;
    }
  }
  skip_padding(entry.size);
  struct timespec times[2] = {{entry.time, 0}, {entry.time, 0}};
  long done = sys(nr_utimensat, fd, 0, times, 0);
  if (done < 0) give_up("cannot set the time of", done);
  sys(nr_close, fd);
}

static void make_link(int symbolic) {
  char *name, *target;
  int from = AT_FDCWD;
  if (!symbolic) {
    /* A descriptor of its own, since the next walk closes this one. */
    from = folder_of(entry.link, &target);
    if (from != AT_FDCWD) from = (int)sys(nr_fcntl, from, 1030 /* F_DUPFD_CLOEXEC */, 3);
    if (from < 0 && from != AT_FDCWD) give_up("cannot link", from);
  }
  int at = folder_of(entry.name, &name);
  long made = -EEXIST;
  for (int tries = 0; made == -EEXIST && tries < 2; tries++) {
    if (tries > 0) {
      made = sys(nr_unlinkat, at, name, 0);
      if (made < 0) break;
    }
    made = symbolic ? sys(nr_symlinkat, entry.link, at, name) : sys(nr_linkat, from, target, at, name, 0);
  }
  if (made < 0) give_up("cannot link", made);
  if (from != AT_FDCWD) sys(nr_close, from);
  struct timespec times[2] = {{entry.time, 0}, {entry.time, 0}};
  if (symbolic) sys(nr_utimensat, at, name, times, AT_SYMLINK_NOFOLLOW);
  skip(entry.size);
}

int unpack(void) {
  sys(nr_umask, 0);
  while (read_header()) {
    if (entry.type == 'x') {
      read_pax();
      continue;
    }
    take_pax();
    switch (entry.type) {
      case 0:
      case '0': make_file(); break;
      case '1': make_link(0); break;
      case '2': make_link(1); break;
      case '5': make_folder(); skip(entry.size); break;
      default: give_up("an entry of a type that no source has:", 0);
    }
  }
  finish_folders();
  return UNPACKED;
}
