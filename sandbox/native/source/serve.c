/*
 * `serve FIRST`: starts programs for a process that is too large to do so itself: fork(2) copies its page tables, and each page
 * that it writes to afterwards costs a fault. Requests come on descriptor 0 and end with it; descriptors from FIRST on are the
 * streams that it hands to the programs. The writer of the requests has started this program, which runs with its rights.
 *
 * A request, in numbers of 32 bits, little-endian: bytes that follow, kind, id; then of a start: flags, the first descriptor, how many, words,
 * variables, and these as strings that end with 0: folder, words, variables. Of a kill: a signal.
 * An answer, in three such numbers: id, 0 for started with the process, 1 for ended with the status of wait4(2), 2 for not started with an error.
 *
 * At the end of the requests, programs that still run are killed.
 */
#include "sys.h"
#include "program.h"

enum { REQUEST_MAX = 1 << 20, STRINGS_MAX = 4096, PROGRAMS_MAX = 256, STREAMS_MAX = 64 };
enum { KIND_START = 0, KIND_KILL = 1, FLAG_GROUP = 1 };
enum { STARTED = 0, ENDED = 1, FAILED = 2 };
enum { SIG_BLOCK = 0, SIG_SETMASK = 2 };

static struct { uint32_t id; int32_t pid; int group; } programs[PROGRAMS_MAX];
static uint8_t *request;
static size_t have;

static uint32_t at(size_t word) {
  uint32_t value;
  memcpy(&value, request + word * 4, 4);
  return value;
}

static void answer(uint32_t id, uint32_t kind, uint32_t value) {
  uint32_t words[3] = {id, kind, value};
  /* A failed write is ignored: the reader has ended, and the next read of a request shows it. */
  write_all(1, words, sizeof words);
}

static void kill_program(size_t n, int signal) {
  if (programs[n].pid > 0) sys(nr_kill, programs[n].group ? -programs[n].pid : programs[n].pid, signal);
}

static _Noreturn void become_program(char *folder, char **words, char **variables, uint32_t flags, uint32_t first, uint32_t count) {
  uint64_t none = 0;
  sys(nr_sigprocmask, SIG_SETMASK, &none, 0, sizeof none);
  if (flags & FLAG_GROUP) sys(nr_setsid, 0);
  /* First above where they belong, since 0 and 1 are requests and answers. The kernel chooses what is free. */
  int moved[STREAMS_MAX];
  for (uint32_t n = 0; n < count; n++) {
    long fd = sys(nr_fcntl, first + n, 0 /* F_DUPFD */, STREAMS_MAX);
    if (fd < 0) leave(SETUP_FAILED);
    moved[n] = (int)fd;
  }
  for (uint32_t n = 0; n < count; n++)
    if (sys(nr_dup3, moved[n], n, 0) < 0) leave(SETUP_FAILED);
  close_from(count);
  long result = sys(nr_chdir, folder);
  if (result < 0) fail("cannot enter", folder, result);
  fail("cannot execute", words[0], sys(nr_execve, words[0], words, variables));
}

/* Points at `count` strings from `*from` on, and moves it past them. Returns 0 when they are cut off. */
static int strings(char **into, size_t count, char **from, const char *end) {
  for (size_t n = 0; n < count; n++) {
    into[n] = *from;
    while (*from < end && **from != 0) (*from)++;
    if (*from == end) return 0;
    (*from)++;
  }
  into[count] = 0;
  return 1;
}

static void start(size_t bytes, uint32_t streams) {
  static char *words[STRINGS_MAX + 2];
  static char *variables[STRINGS_MAX + 2];
  char *folder[2];
  uint32_t id = at(2), flags = at(3), first = at(4), count = at(5), argc = at(6), envc = at(7);
  char *from = (char *)request + 32;
  const char *end = (char *)request + 4 + bytes;
  size_t free = 0;
  while (free < PROGRAMS_MAX && programs[free].pid != 0) free++;
  int whole = bytes >= 28 && argc > 0 && argc <= STRINGS_MAX && envc <= STRINGS_MAX && count > 0 && count <= STREAMS_MAX &&
    first >= streams && first <= 4096 && strings(folder, 1, &from, end) && strings(words, argc, &from, end) &&
    strings(variables, envc, &from, end) && from == end;
  if (!whole) return answer(id, FAILED, EINVAL);
  if (free == PROGRAMS_MAX) return answer(id, FAILED, EAGAIN);
  long pid = sys(nr_clone, SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) become_program(folder[0], words, variables, flags, first, count);
  for (uint32_t n = 0; n < count; n++) sys(nr_close, first + n);
  if (pid < 0) return answer(id, FAILED, (uint32_t)-pid);
  programs[free].id = id;
  programs[free].pid = (int32_t)pid;
  programs[free].group = (flags & FLAG_GROUP) != 0;
  answer(id, STARTED, (uint32_t)pid);
}

static void carry_out(size_t bytes, uint32_t streams) {
  if (at(1) == KIND_START) return start(bytes, streams);
  if (at(1) != KIND_KILL || bytes != 12) fail("unknown request", "", 0);
  for (size_t n = 0; n < PROGRAMS_MAX; n++)
    if (programs[n].id == at(2)) kill_program(n, (int)at(3));
}

/* Reads what is there, and carries out each request that is whole. Returns 0 at the end of the requests. */
static int requests(uint32_t streams) {
  long bytes = sys(nr_read, 0, request + have, REQUEST_MAX - have);
  if (bytes == -EINTR || bytes == -EAGAIN) return 1;
  if (bytes <= 0) return 0;
  have += (size_t)bytes;
  for (;;) {
    if (have < 4) return 1;
    size_t whole = at(0);
    if (whole < 12 || whole > REQUEST_MAX - 4) fail("a request of an impossible size", "", 0);
    if (have < whole + 4) return 1;
    carry_out(whole, streams);
    have -= whole + 4;
    for (size_t n = 0; n < have; n++) request[n] = request[n + whole + 4];
  }
}

static void reap(void) {
  for (;;) {
    int status = 0;
    long pid = sys(nr_wait4, -1, &status, 1 /* WNOHANG */, 0);
    if (pid <= 0) return;
    for (size_t n = 0; n < PROGRAMS_MAX; n++) {
      if (programs[n].pid != pid) continue;
      programs[n].pid = 0;
      answer(programs[n].id, ENDED, (uint32_t)status);
    }
  }
}

_Noreturn void serve(const char *first) {
  int64_t streams = number(first, 10, 1024);
  request = memory(REQUEST_MAX);
  if (streams < 3 || request == 0) fail("serve", first, EINVAL);
  /* A terminal's signals are for the process that this one serves. SIGCHLD is read below; SIGKILL cannot be blocked. */
  uint64_t all = ~(uint64_t)0, child = (uint64_t)1 << (SIGCHLD - 1);
  long result = sys(nr_sigprocmask, SIG_BLOCK, &all, 0, sizeof all);
  long ends = sys(nr_signalfd, -1, &child, sizeof child, O_NONBLOCK | O_CLOEXEC);
  if (result < 0 || ends < 0) fail("serve", "signals", ends);
  /* The streams begin above it. */
  struct { int fd; int16_t events, got; } polled[2] = {{0, 1 /* POLLIN */, 0}, {(int)ends, 1, 0}};
  for (;;) {
    long ready = sys(nr_ppoll, polled, 2, 0, 0, 0);
    if (ready < 0 && ready != -EINTR) fail("serve", "poll", ready);
    if (polled[1].got != 0) {
      static uint8_t told[128];
      while (sys(nr_read, ends, told, sizeof told) > 0) continue;
      reap();
    }
    if (polled[0].got != 0 && !requests((uint32_t)streams)) break;
  }
  for (size_t n = 0; n < PROGRAMS_MAX; n++) kill_program(n, SIGKILL);
  leave(0);
}
