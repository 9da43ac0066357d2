/*
 * The first process of a sandbox: takes its job and the files of it from a pipe, runs the steps one by one, copies their
 * output to the log, and returns what they put out. It keeps a privilege that steps lack, so that they cannot read or change
 * it (ptrace(2), "Ptrace access mode checking"); everything that touches files of the build runs in a child without it.
 *
 * Descriptors: 0 the job (see read_job), then a tar stream of source and inputs; 1 the log; 2 messages of the set-up; 3 the
 * status, one line a message (sandbox/build/status.ts); 4 the outputs as a tar stream; with a terminal 5 its keys and 6 the
 * sizes of its window. All of them are the worker's, and no process of the build ever has one of 1 to 4.
 */
#include "program.h"

enum { IN = 0, LOG = 1, SAYS = 2, STATUS = 3, OUTPUTS = 4, KEYS = 5, SIZES = 6 };
enum { JOB_BYTES_MAX = 32 * 1024 * 1024, MARK_BYTES_MAX = 200, PIPE_BYTES = 64 * 1024 };

struct step { const char *name, *shell, *may_fail, *command; };
static struct {
  uint32_t uid, umask;
  const char *folder;
  int has_terminal, has_marks, failed_outputs, has_bash;
  char **environment, **outputs;
  struct step *steps;
  size_t output_count, step_count;
} job;

/* The steps' output, and a descriptor that is readable when a child has ended (signalfd(2)). */
static struct { int read, write, ended; } fds;

static _Noreturn void refuse(const char *what) { fail("the job is not understood:", what, 0); }
static void say(const char *word, int code) {
  char line[64];
  size_t at = length(word);
  memcpy(line, word, at);
  if (code >= 0) line[at++] = ' ', at += decimal(line + at, (uint64_t)code);
  line[at++] = '\n';
  /* Fails when the worker was killed while the build started: bwrap asks to die with it only later. */
  if (write_all(STATUS, line, at) < 0) leave(0);
}

static void read_exactly(char *to, size_t bytes) {
  for (long got; bytes > 0; to += got, bytes -= (size_t)got) {
    while ((got = sys(nr_read, IN, to, bytes)) == -EINTR) continue;
    /* The worker has ended, or has no use for this sandbox any more. */
    if (got <= 0) leave(0);
  }
}

/* The words of a job, each ended by NUL. */
static struct { char *at, *end; } words;

static char *word(void) {
  if (words.at >= words.end) refuse("it is too short");
  char *found = words.at;
  words.at += length(found) + 1;
  return found;
}

static int64_t word_number(unsigned base, int64_t most) {
  int64_t value = number(word(), base, most);
  if (value < 0) refuse("a number");
  return value;
}

static void *list(size_t count, size_t each) {
  void *made = memory((count + 1) * each);
  if (made == 0) fail("no memory for the job", "", -ENOMEM);
  return made;
}

static char **word_list(size_t *count) {
  /* Each word has a byte at least, so no count is larger than what is left. */
  *count = (size_t)word_number(10, words.end - words.at);
  char **found = list(*count, sizeof *found);
  for (size_t n = 0; n < *count; n++) found[n] = word();
  return found;
}

/*
 * The job: `quorate1`, the length of its words in eight hexadecimal digits, and the words, each ended by NUL: account, umask,
 * folder of the source, flags (`t` terminal, `m` marks, `f` outputs of a failed job), and with their number before them the
 * environment, the paths of the outputs and the steps (name, shell, whether it may fail, command).
 */
static void read_job(void) {
  char head[17];
  read_exactly(head, 16);
  head[16] = 0;
  size_t bytes = 0;
  for (size_t n = 8; n < 16; n++) {
    unsigned digit = (unsigned)(head[n] >= 'a' ? head[n] - 'a' + 10 : head[n] - '0');
    if (digit > 15) refuse("its length");
    bytes = bytes << 4 | digit;
  }
  head[8] = 0;
  if (!same(head, "quorate1") || bytes == 0 || bytes > JOB_BYTES_MAX) refuse("its beginning");
  words.at = memory(bytes);
  if (words.at == 0) fail("no memory for the job", "", -ENOMEM);
  read_exactly(words.at, bytes);
  words.end = words.at + bytes;
  if (words.end[-1] != 0) refuse("its end");
  job.uid = (uint32_t)word_number(10, UINT32_MAX - 1);
  job.umask = (uint32_t)word_number(8, 0777);
  job.folder = word();
  for (const char *flag = word(); *flag != 0; flag++) {
    if (*flag == 't') job.has_terminal = 1;
    else if (*flag == 'm') job.has_marks = 1;
    else if (*flag == 'f') job.failed_outputs = 1;
    else refuse("a flag");
  }
  size_t variables;
  job.environment = word_list(&variables);
  job.outputs = word_list(&job.output_count);
  job.step_count = (size_t)word_number(10, words.end - words.at);
  job.steps = list(job.step_count, sizeof *job.steps);
  for (size_t n = 0; n < job.step_count; n++) {
    struct step *step = job.steps + n;
    step->name = word();
    step->shell = word();
    step->may_fail = word();
    step->command = word();
    if (same(step->shell, "bash")) job.has_bash = 1;
    else if (!same(step->shell, "sh")) refuse("a shell");
  }
  if (words.at != words.end) refuse("it is too long");
}

static int fork_child(void) {
  long child = sys(nr_clone, SIGCHLD, 0, 0, 0, 0);
  if (child == 0) {
    /* SIG_SETMASK: a program inherits what is blocked (execve(2)). */
    uint64_t none = 0;
    sys(nr_sigprocmask, 2, &none, 0, sizeof none);
  }
  return (int)child;
}

/* How a child ended, as a shell says it. */
static int code_of(int status) {
  int signal = status & 0x7f;
  return signal == 0 ? status >> 8 & 0xff : 128 + signal;
}

/* Waits for one child, while others may end; -1 if there is no such child. */
static int wait_for(int child) {
  int status = 0;
  long ended;
  while ((ended = sys(nr_wait4, -1, &status, WALL, 0)) != child)
    if (ended < 0 && ended != -EINTR) return -1;
  return code_of(status);
}

static void move(int from, int to) {
  if (sys(nr_dup3, from, to, 0) < 0) leave(126);
}

/* Source and inputs. Ends the build when they are not all there. */
static void take_files(void) {
  int child = fork_child();
  if (child == 0) {
    sys(nr_close, LOG);
    close_from(STATUS);
    drop_privileges(job.uid);
    long at = sys(nr_chdir, "/build");
    if (at < 0) fail("cannot enter", "/build", at);
    leave(unpack());
  }
  int code = child < 0 ? UNPACK_FAILED : wait_for(child);
  if (code == UNPACKED) return;
  say(code == UNPACK_FULL ? "setup disk" : code == UNPACK_CUT ? "setup cut" : "setup unpack", -1);
  leave(0);
}

/* Whether bash is in a folder of PATH, which is the same for all builds. */
static const char *bash(void) {
  static const char *const places[] = {"/usr/local/sbin/bash", "/usr/local/bin/bash", "/usr/sbin/bash", "/usr/bin/bash",
    "/sbin/bash", "/bin/bash"};
  for (size_t n = 0; n < sizeof places / sizeof *places; n++)
    if (sys(nr_faccessat, AT_FDCWD, places[n], 1 /* X_OK */) >= 0) return places[n];
  return 0;
}

/*
 * A pipe that belongs to the account of the steps, so that they may open it by name (`echo x > /dev/stderr`): the owner is
 * the effective user of the one who makes it. No process of the build runs yet.
 */
static void make_pipe(void) {
  int pair[2];
  int other = (uint32_t)sys(nr_getuid, 0) != job.uid;
  long made = other ? sys(nr_setresuid, -1, job.uid, -1) : 0;
  if (made >= 0) made = sys(nr_pipe2, pair, O_CLOEXEC);
  if (made >= 0 && other) made = sys(nr_setresuid, -1, 0, -1);
  /* F_SETFL: reading what is there must not wait for more. */
  if (made >= 0) made = sys(nr_fcntl, pair[0], 4, O_NONBLOCK);
  uint64_t blocked = 1ULL << (SIGCHLD - 1);
  if (made >= 0) made = sys(nr_sigprocmask, 0, &blocked, 0, sizeof blocked);
  if (made >= 0) made = fds.ended = (int)sys(nr_signalfd, -1, &blocked, sizeof blocked, O_CLOEXEC | O_NONBLOCK);
  if (made < 0) fail("cannot make", "a pipe", made);
  fds.read = pair[0];
  fds.write = pair[1];
}

/* Copies to the log what is in the pipe now, at most `most` bytes. Returns how many were there. */
static size_t copy_log(size_t most) {
  static char block[PIPE_BYTES];
  size_t all = 0;
  while (all < most) {
    long got = sys(nr_read, fds.read, block, sizeof block);
    if (got == -EINTR) continue;
    if (got <= 0) break;
    all += (size_t)got;
    /* A worker that has gone ends this process otherwise. */
    if (write_all(LOG, block, (size_t)got) < 0) break;
  }
  return all;
}

/* A line of the log: `quorate: step 1 of 3: NAME`, or `quorate: step 1 of 3 failed: exit 7 (NAME)`. */
static void mark(size_t n, const struct step *step, int code) {
  char line[MARK_BYTES_MAX + 200];
  size_t at = 0;
#define add(text) do { size_t bytes = length(text); memcpy(line + at, text, bytes); at += bytes; } while (0)
  add("quorate: step ");
  at += decimal(line + at, n + 1);
  add(" of ");
  at += decimal(line + at, job.step_count);
  if (code >= 0) {
    add(" failed");
    if (step->may_fail[0] != 0) add(" (allowed)");
    add(": exit ");
    at += decimal(line + at, (uint64_t)code);
    if (step->name[0] != 0) add(" (");
  } else {
    add(": ");
  }
#undef add
  int is_command = step->name[0] == 0 && code < 0;
  const char *name = is_command ? step->command : step->name;
  for (size_t most = at + MARK_BYTES_MAX; *name != 0 && at < most && !(is_command && *name == '\n');) line[at++] = *name++;
  if (code >= 0 && step->name[0] != 0) line[at++] = ')';
  line[at++] = '\n';
  /* Output of earlier steps comes first. */
  copy_log(PIPE_BYTES);
  write_all(LOG, line, at);
}

/* Becomes a step. Descriptors of the worker are closed before privileges go: from then on other steps may look into it. */
static _Noreturn void become(const struct step *step, const char *bash_at) {
  static char *sh[] = {"/bin/sh", "-eu", "-c", 0, 0};
  static char *bash_words[] = {"bash", "--noprofile", "--norc", "-eu", "-o", "pipefail", "-c", 0, 0};
  if (job.has_terminal) move(KEYS, IN);
  move(fds.write, LOG);
  move(fds.write, SAYS);
  sys(nr_close, STATUS);
  sys(nr_close, OUTPUTS);
  sys(nr_close, KEYS);
  close_from(job.has_terminal ? SIZES + 1 : SIZES);
  drop_privileges(job.uid);
  int is_bash = same(step->shell, "bash");
  char **argument = is_bash ? bash_words : sh;
  const char *at = is_bash ? bash_at : sh[0];
  argument[is_bash ? 7 : 3] = (char *)step->command;
  complain("cannot execute", at, sys(nr_execve, at, argument, job.environment));
  leave(126);
}

/* Reaps all children that have ended, those that a step left behind included. Whether `child` was among them. */
static int reap(int child, int *code) {
  char ended[128];
  int is_over = 0, status;
  long pid;
  while (sys(nr_read, fds.ended, ended, sizeof ended) > 0) continue;
  while ((pid = sys(nr_wait4, -1, &status, 1 /* WNOHANG */ | WALL, 0)) > 0)
    if (pid == child) *code = code_of(status), is_over = 1;
  return is_over;
}

static int run_step(const struct step *step, const char *bash_at) {
  int child = fork_child(), code = 126;
  if (child == 0) become(step, bash_at);
  if (child < 0) return complain("cannot fork", "", child), 126;
  for (int is_over = 0; !is_over;) {
    struct { int fd; int16_t events, found; } wait[2] = {{fds.read, 1 /* POLLIN */, 0}, {fds.ended, 1, 0}};
    sys(nr_ppoll, wait, 2, 0, 0, 0);
    if (wait[0].found != 0) copy_log(1);
    if (wait[1].found != 0) is_over = reap(child, &code);
  }
  return code;
}

static int run_steps(void) {
  const char *bash_at = bash();
  for (size_t n = 0; n < job.step_count; n++) {
    const struct step *step = job.steps + n;
    if (job.has_marks) mark(n, step, -1);
    int code = run_step(step, bash_at);
    if (code == 0) continue;
    if (job.has_marks) mark(n, step, code);
    if (step->may_fail[0] == 0) return code;
  }
  return 0;
}

/*
 * Ends everything that the steps left running. kill(2) with -1 reaches all processes of this process namespace but this one,
 * and a process that is to end forks no more (kernel/fork.c). What has lost its parent is a child of this process
 * (pid_namespaces(7)), so nothing is left when there is no child.
 */
static void end_all(void) {
  long ended;
  do {
    sys(nr_kill, -1, SIGKILL);
    ended = sys(nr_wait4, -1, 0, WALL, 0);
  } while (ended > 0 || ended == -EINTR);
  /* Every process that could write has ended. */
  sys(nr_close, fds.write);
  while (copy_log(PIPE_BYTES) > 0) continue;
}

/* Drops paths that are not there, and says so in the log, unless the job has failed. Returns its exit code. */
static int check_outputs(int code) {
  size_t found = 0;
  long at = sys(nr_chdir, "/build/out");
  if (at < 0 && code == 0) complain("the steps removed $OUT", "", 0), code = 1;
  for (size_t n = 0; at >= 0 && n < job.output_count; n++) {
    struct stat file;
    if (sys(nr_fstatat, AT_FDCWD, job.outputs[n], &file, AT_SYMLINK_NOFOLLOW) >= 0) job.outputs[found++] = job.outputs[n];
    else if (code == 0) complain("the steps did not make the output", job.outputs[n], 0), code = 1;
  }
  job.output_count = found;
  return code;
}

static void give_outputs(void) {
  int child = fork_child();
  if (child == 0) {
    sys(nr_close, STATUS);
    close_from(OUTPUTS + 1);
    drop_privileges(job.uid);
    /* As the account of the build: the first process may enter more. */
    if (job.output_count > 0 && sys(nr_chdir, "/build/out") < 0) complain("cannot enter", "$OUT", EACCES), leave(1);
    leave(pack(OUTPUTS, job.outputs, job.output_count));
  }
  int code = child < 0 ? 1 : wait_for(child);
  sys(nr_close, OUTPUTS);
  say(code == 0 ? "complete" : "setup outputs", -1);
}

_Noreturn void first(void) {
  /* It kills every process that it sees, so it must run in a process namespace of its own. */
  if (sys(nr_getpid, 0) != 1) fail("not the first process of a process namespace", "", 0);
  read_job();
  close_from(job.has_terminal ? SIZES + 1 : KEYS);
  take_files();
  long null = sys(nr_openat, AT_FDCWD, "/dev/null", O_RDONLY | O_CLOEXEC);
  if (null < 0) fail("cannot open", "/dev/null", null);
  move((int)null, IN);
  sys(nr_close, null);
  if (sys(nr_faccessat, AT_FDCWD, "/bin/sh", 1 /* X_OK */) < 0) fail("there is no", "/bin/sh", ENOENT);
  if (job.has_bash && bash() == 0) say("setup bash", -1), leave(0);
  make_pipe();
  move(LOG, SAYS);
  long at = sys(nr_chdir, "/build");
  if (at >= 0) at = sys(nr_chdir, job.folder);
  if (at < 0) fail("cannot enter", job.folder, at);
  sys(nr_umask, job.umask);
  say("ready", -1);
  int code = run_steps();
  end_all();
  code = check_outputs(code);
  say("exit", code);
  if (code == 0 || job.failed_outputs) give_outputs();
  leave(0);
}
