/*
 * `enter WORDS… -- COMMAND`: prepares this process for a command and executes it, which takes the place of bash, nice(1),
 * taskset(1), prlimit(1), setpriv(1) and mount(8) outside of a sandbox. Its words come from the worker only; it runs with the
 * worker's privileges. Each word is carried out in turn, and one that fails ends it with a message: nothing runs half prepared.
 *
 *   keep N             closes descriptor N and all above (close_range(2)): an open folder of the host would be an escape
 *   oom N              oom_score_adj of this process (proc_pid_oom_score_adj(5))
 *   group DIRECTORY    joins a cgroup: writing 0 moves the writer itself (cgroups(7))
 *   nice N             raises the nice value by N (setpriority(2))
 *   cpus N,N…          the processors that it may run on (sched_setaffinity(2))
 *   limit NAME SOFT HARD   a resource limit (prlimit(2))
 *   self N             descriptor N is this program, in sealed memory (memfd_create(2), F_ADD_SEALS of fcntl(2))
 *   bind FROM TO       a mount namespace of its own, in which FROM is mounted at TO (mount_namespaces(7), mount(2))
 *   user N             the account N, without supplementary groups (setgroups(2), setresuid(2))
 *   open N PATH        descriptor N is the file, for reading
 *   drop N             the account N, without any privilege: as a step of a build
 */
#include "sys.h"
#include "program.h"

enum { CPUS_MAX = 8192, PROGRAM_BYTES_MAX = 1 << 20 };

static int64_t count(const char *what, const char *word, int64_t most) {
  int64_t value = number(word, 10, most);
  if (value < 0) fail(what, word, EINVAL);
  return value;
}

static void put(const char *what, const char *path, const char *text) {
  long fd = sys(nr_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC);
  long wrote = fd < 0 ? fd : sys(nr_write, fd, text, length(text));
  if (wrote < 0) fail(what, path, wrote);
  sys(nr_close, fd);
}

static void join_group(const char *directory) {
  static char path[8192];
  static const char file[] = "/cgroup.procs";
  size_t bytes = length(directory);
  if (bytes + sizeof file > sizeof path) fail("group", directory, ENAMETOOLONG);
  memcpy(path, directory, bytes);
  memcpy(path + bytes, file, sizeof file);
  put("group", path, "0");
}

static void be_nice(int by) {
  /* The raw call returns 20 minus the nice value (getpriority(2), "C library/kernel differences"). */
  long now = sys(nr_getpriority, 0, 0);
  long wanted = 20 - now + by;
  long result = now < 0 ? now : sys(nr_setpriority, 0, 0, wanted > 19 ? 19 : wanted);
  if (result < 0) fail("nice", "", result);
}

static void run_on(const char *list) {
  static uint8_t mask[CPUS_MAX / 8];
  for (const char *at = list; *at != 0;) {
    unsigned cpu = 0;
    if (*at < '0' || *at > '9') fail("cpus", list, EINVAL);
    for (; *at >= '0' && *at <= '9'; at++) {
      cpu = cpu * 10 + (unsigned)(*at - '0');
      if (cpu >= CPUS_MAX) fail("cpus", list, EINVAL);
    }
    mask[cpu / 8] |= (uint8_t)(1 << cpu % 8);
    if (*at == ',') at++;
  }
  long result = sys(nr_sched_setaffinity, 0, sizeof mask, mask);
  if (result < 0) fail("cpus", list, result);
}

static void set_limit(const char *name, const char *soft, const char *hard) {
  static const struct { const char *name; int which; } limits[] = {
    {"core", RLIMIT_CORE}, {"nofile", RLIMIT_NOFILE}, {"nice", RLIMIT_NICE}, {"rtprio", RLIMIT_RTPRIO}};
  for (size_t n = 0; n < sizeof limits / sizeof *limits; n++) {
    if (!same(limits[n].name, name)) continue;
    struct rlimit limit = {(uint64_t)count("limit", soft, INT64_MAX), (uint64_t)count("limit", hard, INT64_MAX)};
    long result = sys(nr_prlimit, 0, limits[n].which, &limit, 0);
    if (result < 0) fail("limit", name, result);
    return;
  }
  fail("limit", name, EINVAL);
}

/*
 * A copy in memory, which nobody can change: no file of the host is reached through /proc/PID/exe of the process that
 * executes it, and no build can write to the program of the next one.
 */
static void show_self(int at) {
  static char block[16384];
  long from = sys(nr_openat, AT_FDCWD, "/proc/self/exe", O_RDONLY | O_CLOEXEC);
  if (from < 0) fail("self", "", from);
  /* MFD_ALLOW_SEALING | MFD_EXEC; a kernel before 6.3 does not know the second. */
  long to = sys(nr_memfd_create, "quorate", 0x2 | 0x10);
  if (to == -EINVAL) to = sys(nr_memfd_create, "quorate", 0x2);
  if (to < 0) fail("self", "memory", to);
  long bytes;
  for (size_t all = 0; (bytes = sys(nr_read, from, block, sizeof block)) > 0;) {
    all += (size_t)bytes;
    if (all > PROGRAM_BYTES_MAX || write_all((int)to, block, (size_t)bytes) < 0) fail("self", "memory", ENOSPC);
  }
  if (bytes < 0) fail("self", "", bytes);
  /* Before `at`, which may be the same. */
  sys(nr_close, from);
  long result = sys(nr_fchmod, to, 0555);
  /* F_ADD_SEALS: F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE */
  if (result >= 0) result = sys(nr_fcntl, to, 1033, 0xf);
  if (result < 0) fail("self", "seal", result);
  /* Open for reading only, which runsc insists on. */
  char name[32] = "/proc/self/fd/";
  name[14 + decimal(name + 14, (uint64_t)to)] = 0;
  long shown = sys(nr_openat, AT_FDCWD, name, O_RDONLY | O_CLOEXEC);
  if (shown < 0) fail("self", "memory", shown);
  sys(nr_close, to);
  result = shown == at ? sys(nr_fcntl, at, 2 /* F_SETFD */, 0) : sys(nr_dup3, shown, at, 0);
  if (result < 0) fail("self", "descriptor", result);
  if (shown != at) sys(nr_close, shown);
}

static void open_at(int at, const char *path) {
  long fd = sys(nr_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
  long result = fd < 0 ? fd : fd == at ? sys(nr_fcntl, at, 2 /* F_SETFD */, 0) : sys(nr_dup3, fd, at, 0);
  if (result < 0) fail("open", path, result);
  if (fd != at) sys(nr_close, fd);
}

static void bind_mount(const char *from, const char *to) {
  long result = sys(nr_unshare, 0x20000 /* CLONE_NEWNS */);
  /* MS_REC | MS_PRIVATE: nothing mounted here is seen outside. */
  if (result >= 0) result = sys(nr_mount, 0, "/", 0, 0x4000 | 0x40000, 0);
  if (result >= 0) result = sys(nr_mount, from, to, 0, 0x1000 /* MS_BIND */, 0);
  if (result < 0) fail("bind", to, result);
}

static void become(uint32_t uid) {
  long result = sys(nr_setgroups, 0, 0);
  if (result >= 0) result = sys(nr_setresgid, uid, uid, uid);
  if (result >= 0) result = sys(nr_setresuid, uid, uid, uid);
  if (result < 0) fail("user", "", result);
}

/* Carries out one word and what belongs to it; returns how many that were. */
static int carry_out(int left, char **word) {
  const char *name = word[0];
  int takes = same(name, "limit") ? 4 : same(name, "bind") || same(name, "open") ? 3 : 2;
  if (left < takes) fail("not enough words for", name, 0);
  if (same(name, "keep")) close_from((unsigned)count(name, word[1], 1 << 20));
  else if (same(name, "oom")) put("oom", "/proc/self/oom_score_adj", word[1]);
  else if (same(name, "group")) join_group(word[1]);
  else if (same(name, "nice")) be_nice((int)count(name, word[1], 39));
  else if (same(name, "cpus")) run_on(word[1]);
  else if (same(name, "limit")) set_limit(word[1], word[2], word[3]);
  else if (same(name, "self")) show_self((int)count(name, word[1], 1 << 20));
  else if (same(name, "bind")) bind_mount(word[1], word[2]);
  else if (same(name, "user")) become((uint32_t)count(name, word[1], UINT32_MAX - 1));
  else if (same(name, "open")) open_at((int)count(name, word[1], 1 << 20), word[2]);
  else if (same(name, "drop")) drop_privileges((uint32_t)count(name, word[1], UINT32_MAX - 1));
  else fail("unknown word", name, 0);
  return takes;
}

_Noreturn void enter(int words, char **word, char **environment) {
  while (words > 0 && !same(word[0], "--")) {
    int taken = carry_out(words, word);
    words -= taken;
    word += taken;
  }
  if (words < 2) fail("no command", "", 0);
  fail("cannot execute", word[1], sys(nr_execve, word[1], word + 1, environment));
}
