/* The program of a hostile build: `attacker WHAT [NUMBER]`. Each attack is bounded, and ends by itself after 20 seconds. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB (1L << 20)
#define SO_PEERPIDFD_NUMBER 77

static char block[64 * 1024];

/* One line: what was tried, and `done` or the error's number. */
static void tell(const char *what, long result) {
  if (result >= 0) printf("%s done\n", what);
  else printf("%s %d\n", what, errno);
  fflush(stdout);
}

static void heap(long mib) {
  for (long n = 0; n < mib; n++) {
    char *page = malloc(MIB);
    if (page == NULL) exit(3);
    memset(page, 1, MIB);
  }
}

/* Shared memory that lies in no folder. */
static void shared(long mib) {
  int file = memfd_create("hog", 0);
  for (long n = 0; n < mib / 2 * 16; n++)
    if (write(file, block, sizeof block) < 0) exit(3);
  for (long n = 0; n < mib / 2; n++) {
    int id = shmget(IPC_PRIVATE, MIB, IPC_CREAT | 0600);
    char *page = shmat(id, NULL, 0);
    if (page == (char *)-1) exit(3);
    memset(page, 1, MIB);
    shmdt(page);
  }
}

/* Bytes that wait in the buffers of local sockets, in no process. */
static void buffers(long mib) {
  for (long sent = 0; sent < mib * MIB;) {
    int pair[2], size = 8 * MIB;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0) exit(3);
    setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    fcntl(pair[0], F_SETFL, O_NONBLOCK);
    for (long n; (n = write(pair[0], block, sizeof block)) > 0;) sent += n;
  }
}

/* The same in connections over the own loopback. Says how many MiB it put there. */
static void connections(long mib) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof to;
  int listener = socket(AF_INET, SOCK_STREAM, 0), size = 16 * MIB;
  long sent = 0;
  if (bind(listener, (void *)&to, sizeof to) < 0 || listen(listener, 64) < 0) exit(3);
  getsockname(listener, (void *)&to, &length);
  for (int n = 0; n < 48 && sent < mib * MIB; n++) {
    int from = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(from, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    if (connect(from, (void *)&to, sizeof to) < 0) break;
    int at = accept(listener, NULL, NULL);
    setsockopt(at, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    fcntl(from, F_SETFL, O_NONBLOCK);
    for (int idle = 0; idle < 10 && sent < mib * MIB;) {
      long wrote = write(from, block, sizeof block);
      if (wrote > 0) sent += wrote, idle = 0;
      else usleep(1000), idle++;
    }
  }
  printf("%ld\n", sent / MIB);
}

static void *rest(void *nothing) {
  pause();
  return nothing;
}

static void threads(long most) {
  long made = 0;
  pthread_attr_t small;
  pthread_t thread;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, 64 * 1024);
  while (made < most && pthread_create(&thread, &small, rest, NULL) == 0) made++;
  printf("%ld\n", made);
}

/* Every process makes two more, until `most` were made in all: they count together. */
static void bomb(long most) {
  int *made = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (fork() > 0) {
    // Until there are so many, or no more have come for a second.
    for (int tries = 0, still = 0, before = 0; tries < 150 && still < 50 && *made < most; tries++) {
      usleep(20000);
      still = *made > 0 && *made == before ? still + 1 : 0;
      before = *made;
    }
    printf("%d\n", *made);
    return;
  }
  for (;;) {
    if (__atomic_load_n(made, __ATOMIC_SEQ_CST) >= most) pause();
    int child = fork();
    if (child > 0) __atomic_add_fetch(made, 1, __ATOMIC_SEQ_CST);
    else if (child < 0) usleep(1000);
  }
}

static void empty(long most) {
  char name[32];
  for (long n = 0; n < most; n++) {
    snprintf(name, sizeof name, "%ld", n);
    int file = open(name, O_CREAT | O_WRONLY, 0600);
    if (file < 0) exit(3);
    close(file);
  }
}

static void files(long most) {
  struct rlimit all;
  getrlimit(RLIMIT_NOFILE, &all);
  all.rlim_cur = all.rlim_max;
  setrlimit(RLIMIT_NOFILE, &all);
  long opened = 0;
  while (opened < most && open("/dev/null", O_RDONLY) >= 0) opened++;
  printf("%ld\n", opened);
}

static void core(void) {
  struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
  setrlimit(RLIMIT_CORE, &all);
  if (fork() == 0) abort();
  int status = 0;
  wait(&status);
  printf("%s\n", WCOREDUMP(status) ? "dumped" : "no dump");
}

static void priority(void) {
  struct sched_param first = {.sched_priority = 1};
  tell("before all others", sched_setscheduler(0, SCHED_FIFO, &first));
  tell("before the owner", setpriority(PRIO_PROCESS, 0, -5));
}

static void tables(void) {
  aio_context_t context = 0;
  tell("huge pages", mmap(NULL, 2 * MIB, PROT_READ | PROT_WRITE,
    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_NORESERVE, -1, 0) == MAP_FAILED ? -1 : 0);
  tell("a file of huge pages", memfd_create("huge", MFD_HUGETLB));
  tell("contexts of input and output", syscall(SYS_io_setup, 64, &context));
}

/* System calls that a build does not need, and that reach holes in the kernel. */
static void calls(void) {
  char nothing[256] = {0};
  int mount_id = 0;
  struct { struct file_handle head; char rest[128]; } handle = {.head.handle_bytes = 128};
  tell("ptrace", fork() == 0 ? (tell("trace", ptrace(PTRACE_TRACEME, 0, 0, 0)), _exit(0), 0) : (wait(NULL), 0));
  tell("keyring", syscall(SYS_keyctl, 0, -3, 1));
  tell("key", syscall(SYS_add_key, "user", "quorate", "x", 1, -3));
  tell("memory of others", syscall(SYS_process_vm_readv, getpid(), nothing, 0, nothing, 0, 0));
  tell("ring", syscall(SYS_io_uring_setup, 1, nothing));
  tell("handle of a file", name_to_handle_at(AT_FDCWD, "/usr", &handle.head, &mount_id, 0));
  tell("namespace", unshare(CLONE_NEWUSER));
  tell("netlink", socket(AF_NETLINK, SOCK_RAW, 0));
  tell("hypervisor", socket(AF_VSOCK, SOCK_STREAM, 0));
}

/* Acts of root: no guard of ours stands alone before these, and no control run takes all of them away. */
static void root(void) {
  struct timespec now = {0};
  struct rlimit all = {4096, 4096};
  tell("mount", mount("none", "/build", "tmpfs", 0, NULL));
  tell("chroot", chroot("/build"));
  tell("clock", clock_settime(CLOCK_REALTIME, &now));
  tell("name", sethostname("owned", 5));
  tell("module", syscall(SYS_init_module, block, 1, ""));
  tell("other kernel", syscall(SYS_kexec_load, 0, 0, 0, 0));
  tell("program in the kernel", syscall(SYS_bpf, 0, block, 128));
  tell("kernel log", syscall(SYS_syslog, 3, block, sizeof block));
  tell("swap", syscall(SYS_swapon, "/build/swap", 0));
  tell("raw socket", socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
  /* A kernel of the build's own may make the node: there is nothing behind it. */
  mknod("/build/tmp/disk", S_IFBLK | 0600, makedev(8, 0));
  tell("disk", open("/build/tmp/disk", O_RDONLY));
  mknod("/build/tmp/memory", S_IFCHR | 0600, makedev(1, 1));
  tell("memory", open("/build/tmp/memory", O_RDONLY));
  tell("other user", setuid(0));
  tell("other group", setgid(0));
  tell("limits", (all.rlim_max = RLIM_INFINITY, setrlimit(RLIMIT_NICE, &all)));
}

/* Were the log a socket whose other end is the worker's: what a socket can do to its peer. */
static void peer(void) {
  int worker = -1;
  socklen_t length = sizeof worker;
  for (int n = 0; n < 3 && worker < 0; n++)
    tell("handle of the worker", getsockopt(n, SOL_SOCKET, SO_PEERPIDFD_NUMBER, &worker, &length));
  tell("signal by handle", syscall(SYS_pidfd_send_signal, worker, 0, NULL, 0));
  tell("descriptor by handle", syscall(SYS_pidfd_getfd, worker, 0, 0));
  tell("namespaces by handle", setns(worker, CLONE_NEWNS));
}

/* Puts `most` open files into the log, were it a socket, for whoever reads it. */
static void smuggle(long most) {
  char space[CMSG_SPACE(sizeof(int) * 100)] = {0}, byte = '.';
  struct iovec data = {&byte, 1};
  struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
  struct cmsghdr *control = CMSG_FIRSTHDR(&message);
  control->cmsg_level = SOL_SOCKET;
  control->cmsg_type = SCM_RIGHTS;
  control->cmsg_len = CMSG_LEN(sizeof(int) * 100);
  for (int n = 0; n < 100; n++) ((int *)CMSG_DATA(control))[n] = 0;
  long result = 0;
  for (long sent = 0; sent < most; sent += 100) result = sendmsg(1, &message, MSG_NOSIGNAL);
  puts("");
  tell("smuggled", result);
}

static void terminal(void) {
  tell("terminal of the worker", open("/dev/tty", O_RDWR));
  int master = posix_openpt(O_RDWR | O_NOCTTY), slave = -1;
  if (master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0) slave = open(ptsname(master), O_RDWR | O_NOCTTY);
  if (fork() == 0) {
    setsid();
    ioctl(slave, TIOCSCTTY, 0);
    tell("typed", ioctl(slave, TIOCSTI, "x"));
    _exit(0);
  }
  wait(NULL);
}

/* The process that copies the log has the worker's descriptor: a `cat` that this build did not start. */
static void copier(void) {
  for (int pid = 2; pid < 100; pid++) {
    char path[64], name[16] = "";
    snprintf(path, sizeof path, "/proc/%d/comm", pid);
    FILE *file = fopen(path, "r");
    if (file == NULL) continue;
    if (fgets(name, sizeof name, file) == NULL) name[0] = 0;
    fclose(file);
    if (strcmp(name, "cat\n") != 0) continue;
    tell("trace of the copier", ptrace(PTRACE_ATTACH, pid, 0, 0));
    snprintf(path, sizeof path, "/proc/%d/mem", pid);
    tell("memory of the copier", open(path, O_RDWR));
    snprintf(path, sizeof path, "/proc/%d/fd/1", pid);
    tell("log of the copier", open(path, O_WRONLY));
    tell("handle of the copier", syscall(SYS_pidfd_getfd, syscall(SYS_pidfd_open, pid, 0), 1, 0));
  }
}

/* `signals`: how many of them it sends, besides those that no process can ignore. */
static void driver(long signals) {
  kill(1, SIGKILL);
  kill(1, SIGSTOP);
  for (int signal = 1; signal <= signals; signal++) kill(1, signal);
  char word[] = "exit 0\n";
  struct iovec here = {word, sizeof word}, there = {(void *)0x400000, sizeof word};
  tell("trace it", ptrace(PTRACE_ATTACH, 1, 0, 0));
  tell("memory", open("/proc/1/mem", O_RDWR));
  tell("its word", open("/proc/1/fd/3", O_WRONLY));
  tell("its outputs", open("/proc/1/fd/4", O_WRONLY));
  /* By then it is /dev/null, which is nobody's to feed. */
  int job = open("/proc/1/fd/0", O_RDWR);
  struct stat null = {0};
  tell("its job", job >= 0 && fstat(job, &null) == 0 && S_ISCHR(null.st_mode) ? (errno = ENXIO, -1) : job);
  tell("its log", open("/proc/1/fd/1", O_WRONLY));
  tell("its program", open("/proc/1/exe", O_RDONLY));
  tell("its mounts", open("/proc/1/root", O_RDONLY));
  tell("words in its memory", process_vm_writev(1, &here, 1, &there, 1, 0));
  tell("its handle", syscall(SYS_pidfd_getfd, syscall(SYS_pidfd_open, 1, 0), 3, 0));
  copier();
}

/* Takes from the driver what it needs to pack the outputs. */
static void starve(void) {
  struct rlimit none = {3, 3};
  tell("starve", prlimit(1, RLIMIT_NOFILE, &none, NULL));
}

int main(int count, char **words) {
  const char *what = count > 1 ? words[1] : "";
  long number = count > 2 ? atol(words[2]) : 0;
  alarm(120);
  if (strcmp(what, "heap") == 0) heap(number);
  else if (strcmp(what, "shared") == 0) shared(number);
  else if (strcmp(what, "buffers") == 0) buffers(number);
  else if (strcmp(what, "connections") == 0) connections(number);
  else if (strcmp(what, "threads") == 0) threads(number);
  else if (strcmp(what, "bomb") == 0) bomb(number);
  else if (strcmp(what, "empty") == 0) empty(number);
  else if (strcmp(what, "files") == 0) files(number);
  else if (strcmp(what, "core") == 0) core();
  else if (strcmp(what, "priority") == 0) priority();
  else if (strcmp(what, "tables") == 0) tables();
  else if (strcmp(what, "calls") == 0) calls();
  else if (strcmp(what, "root") == 0) root();
  else if (strcmp(what, "peer") == 0) peer();
  else if (strcmp(what, "smuggle") == 0) smuggle(number);
  else if (strcmp(what, "terminal") == 0) terminal();
  else if (strcmp(what, "driver") == 0) driver(number);
  else if (strcmp(what, "starve") == 0) starve();
  else return 2;
  return 0;
}
