// Brings the system programs that a purpose needs: `node scripts/setup.js [--for demo|pipeline|forge|worker|test|matrices|peers|chaos|cells] [--check]`.
// `worker` is all that a machine needs for every tier of sandbox it can run, `matrices` all that any test needs.
// Runs before anything is installed: plain JavaScript for Node 18 and newer, no dependencies. Says everything on
// standard error, so that what a command prints afterwards stays clean. Exit: 0 all there, 2 wrong use, 3 missing.
import { spawnSync } from 'node:child_process';
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { arch, argv, env, exit, getuid, stderr } from 'node:process';

/**
 * Each need: the Debian package, why, and how to see that it is there — a program, or a file. `atLeast` is the oldest
 * version that will do, `only` the processors it is of use on. What is no package to install says how to `bring` it.
 */
const needs = {
  'qemu-system-x86': {
    why: 'virtual machines for builds',
    program: 'qemu-system-x86_64',
    only: ['x64'],
  },
  'busybox-static': { why: "what runs first in a build's virtual machine", file: '/usr/bin/busybox' },
  'linux-image-cloud-amd64': {
    why: "the kernel of builds' virtual machines; unpacked, not installed",
    lack: () => (hasGuestKernel() ? undefined : `none in ${kernelFolder}`),
    bring: unpackGuestKernel,
    only: ['x64'],
  },
  bubblewrap: {
    why: 'runs builds in a sandbox',
    program: 'bwrap',
    atLeast: '0.11',
    versionArgs: ['--version'],
  },
  git: { why: 'fetches the source of a job', program: 'git' },
  tar: { why: 'moves trees into and out of the sandbox', program: 'tar' },
  esbuild: { why: 'builds the example job, which is this repository', program: 'esbuild' },
  'ca-certificates': {
    why: 'lets git check the servers it talks to',
    file: '/etc/ssl/certs/ca-certificates.crt',
  },
  gcc: { why: 'compiles the C projects that the demo and tests build', program: 'gcc' },
  'gcc-14': { why: 'makes the native program of sandboxes again, to its very bytes', program: 'gcc-14' },
  'gcc-14-aarch64-linux-gnu': {
    why: 'makes the one for other processors',
    program: 'aarch64-linux-gnu-gcc-14',
    only: ['x64'],
  },
  'libc6-dev': { why: 'headers for those C projects', file: '/usr/include/stdio.h' },
  make: { why: 'runs the builds of those C projects', program: 'make' },
  'dpkg-dev': { why: 'unpacks Debian source packages', program: 'dpkg-source' },
  mmdebstrap: { why: 'makes images of Debian packages', program: 'mmdebstrap' },
  'erofs-utils': { why: 'makes file systems for virtual machines of images', program: 'mkfs.erofs' },
  e2fsprogs: { why: 'makes the file system of a disk that a build is given', program: 'mkfs.ext4' },
  mount: { why: 'mounts that disk', program: 'losetup' },
  openssl: { why: 'a second opinion on our key files', program: 'openssl' },
  cosign: { why: 'a second opinion on receipts and verdicts', program: 'cosign' },
  'in-toto-golang': { why: 'and a third, on how many made the same', program: 'in-toto-golang' },
  litetlog: { why: "a second opinion on the log's proofs, and a witness of it", program: 'litewitness' },
  'openssh-client': { why: 'holds the key of that witness', program: 'ssh-agent' },
  runsc: { why: 'runs builds in gVisor, a kernel in user space', program: 'runsc' },
  npm: { why: 'packs the npm package that a test has built', file: '/usr/bin/npm' },
  systemd: { why: 'checks the unit that join --service writes', program: 'systemd-analyze' },
  postgresql: {
    why: 'a server that a documented job starts',
    lack: () => (existsSync('/usr/lib/postgresql') ? undefined : 'no /usr/lib/postgresql'),
  },
  'diffoscope-minimal': { why: 'looks into files that differ, for quorate diff', program: 'diffoscope' },
  cargo: { why: 'builds a project of crates without a network', file: '/usr/bin/cargo' },
  'golang-go': { why: 'builds a project of Go modules without a network', file: '/usr/bin/go' },
  'python3-pip': { why: 'installs Python packages without a network', file: '/usr/bin/pip' },
  'librust-itertools-dev': {
    why: 'sources of crates, for a registry of a test',
    lack: () => crateLack('itertools'),
  },
  'librust-either-dev': {
    why: 'sources of a crate which that one needs',
    lack: () => crateLack('either'),
  },
  'golang-github-mattn-go-runewidth-dev': {
    why: 'sources of Go modules, for a module proxy of a test',
    file: '/usr/share/gocode/src/github.com/mattn/go-runewidth/go.mod',
  },
  pnpm: {
    why: "installs what a project's pnpm-lock.yaml names; from npm, since Debian has none",
    file: '/usr/local/bin/pnpm',
    bring: () => installGlobally('pnpm@9.15.9'),
  },
  yarn: {
    why: "installs what a project's yarn.lock names; from npm, since Debian has another one",
    file: '/usr/local/bin/yarn',
    bring: () => installGlobally('yarn@1.22.22'),
  },
  'docker-registry': { why: 'a registry that image pull reads from', program: 'docker-registry' },
  skopeo: { why: 'pushes images to that registry', program: 'skopeo' },
  pagure: { why: 'a forge to push to, with pull requests and webhooks', program: 'pagure-admin' },
  'redis-server': { why: 'hands the work of that forge to its workers', program: 'redis-server' },
  zip: { why: 'packs archives that quorate diff looks into', program: 'zip' },
  chromium: { why: 'a browser, in which the pages are tried', program: 'chromium' },
  buildah: { why: 'makes the container image of the services', program: 'buildah' },
  netavark: { why: 'without which buildah makes no container', file: '/usr/lib/podman/netavark' },
  curl: { why: 'uploads a release in an example of hooks', program: 'curl' },
  gnupg: { why: 'signs checksums in an example of hooks', program: 'gpg' },
  promtool: { why: 'reads metrics and rules for alerts as Prometheus does', program: 'promtool' },
  procps: { why: 'lets tests look for processes left behind', program: 'ps' },
  buildbot: { why: 'another CI, which the bench measures beside this one', program: 'buildbot' },
  'buildbot-worker': { why: 'the workers of that', program: 'buildbot-worker' },
  'python3-sqlalchemy-ext': {
    why: 'makes its database as fast as it is meant to be',
    lack: () => (sqlalchemyIsCompiled() ? undefined : 'no compiled part of SQLAlchemy'),
  },
  iproute2: { why: 'makes hosts with addresses of their own, for a test of five processes', program: 'ip' },
  kmod: { why: 'lists which modules of a kernel need which others', program: 'depmod' },
  'qemu-system-arm': { why: 'emulates machines with another processor', program: 'qemu-system-aarch64' },
  faketime: { why: 'sets the clock of one process, for the faults of the chaos script', program: 'faketime' },
};
const demo = ['bubblewrap', 'git', 'tar', 'esbuild', 'ca-certificates'];
/** The demo of a pipeline builds a C project. */
const pipeline = ['bubblewrap', 'git', 'tar', 'gcc', 'libc6-dev', 'make', 'ca-certificates'];
/** The demo of a forge. */
const forge = ['bubblewrap', 'git', 'tar', 'ca-certificates', 'pagure', 'redis-server'];
const test = [
  'gcc',
  'libc6-dev',
  'make',
  'dpkg-dev',
  'mmdebstrap',
  'erofs-utils',
  'openssl',
  'cosign',
  'in-toto-golang',
  'litetlog',
  'openssh-client',
  'npm',
  'systemd',
  'diffoscope-minimal',
  'postgresql',
  'procps',
  'zip',
];
const worker = [
  'bubblewrap',
  'git',
  'tar',
  'ca-certificates',
  'erofs-utils',
  'e2fsprogs',
  'mount',
  'runsc',
  'qemu-system-x86',
  'busybox-static',
  'linux-image-cloud-amd64',
];
const tests = [...new Set([...demo, ...worker, ...test])];
/** Package managers, whose layouts of dependencies are tried; a registry of container images, and what pushes to it; a browser. */
const matrices = [
  ...tests,
  'cargo',
  'golang-go',
  'python3-pip',
  'librust-itertools-dev',
  'librust-either-dev',
  'golang-github-mattn-go-runewidth-dev',
  'pnpm',
  'yarn',
  'docker-registry',
  'skopeo',
  'pagure',
  'redis-server',
  // Compares the native program with its source.
  'gcc-14',
  'gcc-14-aarch64-linux-gnu',
  // Checks metrics and rules for alerts.
  'promtool',
  'buildah',
  'netavark',
  'iproute2',
  'faketime',
  'chromium',
  // Examples of docs/hooks.md.
  'curl',
  'gnupg',
];
/** The bench beside another CI. */
const peers = [...demo, 'buildbot', 'buildbot-worker', 'python3-sqlalchemy-ext'];
/** Faults in a project of real processes. */
const chaos = [...demo, 'iproute2', 'faketime'];
/** Guests that QEMU emulates, in which tests of the sandbox run. */
const cells = [
  'mmdebstrap',
  'e2fsprogs',
  'git',
  'npm',
  'kmod',
  'busybox-static',
  'qemu-system-x86',
  'qemu-system-arm',
];
const purposes = { demo, pipeline, forge, worker, test: tests, matrices, peers, chaos, cells };

function sqlalchemyIsCompiled() {
  const folder = '/usr/lib/python3/dist-packages/sqlalchemy/cyextension';
  return existsSync(folder) && readdirSync(folder).some((name) => name.endsWith('.so'));
}

/** Where the tier looks for it (sandbox/vm/kernel.ts). */
const kernelFolder = '/var/lib/quorate/kernel';

function hasGuestKernel() {
  return [kernelFolder, join(homedir(), '.quorate', 'kernel'), '/'].some((folder) => {
    try {
      return readdirSync(join(folder, 'boot')).some((name) => /^vmlinuz-.+-cloud-amd64$/.test(name));
    } catch {
      return false;
    }
  });
}

/** Installing a kernel would touch the machine's own boot loader. */
function unpackGuestKernel(name) {
  const depends = spawnSync('apt-cache', ['depends', name], { encoding: 'utf8' }).stdout ?? '';
  const real = /Depends: (linux-image-[0-9]\S*)/.exec(depends)?.[1];
  if (real === undefined) return false;
  const scratch = mkdtempSync(join(tmpdir(), 'quorate-kernel-'));
  const run = (program, ...args) =>
    spawnSync(program, args, { cwd: scratch, stdio: ['ignore', 2, 2] }).status === 0;
  try {
    if (!run('apt-get', '-q', 'download', real)) return false;
    const [file] = readdirSync(scratch);
    mkdirSync(kernelFolder, { recursive: true, mode: 0o755 });
    return file !== undefined && run('dpkg-deb', '-x', file, kernelFolder);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function crateLack(name) {
  const folder = '/usr/share/cargo/registry';
  const isThere = existsSync(folder) && readdirSync(folder).some((one) => one.startsWith(`${name}-`));
  return isThere ? undefined : `no ${name} in ${folder}`;
}

/** Where sandboxes with the host's system find it. */
function installGlobally(tool) {
  const args = ['install', '--global', '--prefix', '/usr/local', '--ignore-scripts', tool];
  return spawnSync('npm', args, { stdio: ['ignore', 2, 2] }).status === 0;
}

/** Where a sandbox with the host's system finds programs: never in an npm folder. */
const folders = [
  ...new Set([...(env.PATH ?? '').split(':'), '/usr/local/bin', '/usr/bin', '/bin', '/usr/sbin', '/sbin']),
].filter((folder) => folder.startsWith('/') && !folder.includes('node_modules'));

function find(program) {
  for (const folder of folders) {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return join(folder, program);
    } catch {
      // Not in this one.
    }
  }
  return undefined;
}

function isOlder(version, wanted) {
  const [have, want] = [version, wanted].map((text) => text.split('.').map(Number));
  const at = want.findIndex((part, index) => part !== (have[index] ?? 0));
  return at !== -1 && (have[at] ?? 0) < want[at];
}

/** Why the need is not met, in a few words; undefined when it is. */
function lack({ program, file, atLeast, versionArgs, only, lack: own }) {
  if (only !== undefined && !only.includes(arch)) return undefined;
  if (own !== undefined) return own();
  if (file !== undefined) return existsSync(file) ? undefined : `no ${file}`;
  const path = find(program);
  if (path === undefined) return 'not found';
  if (atLeast === undefined) return undefined;
  const version = /\d+(\.\d+)+/.exec(
    spawnSync(path, versionArgs, { encoding: 'utf8', timeout: 5_000 }).stdout ?? '',
  )?.[0];
  if (version === undefined) return `${path} does not say its version`;
  return isOlder(version, atLeast) ? `${path} is ${version}, ${atLeast} or newer is needed` : undefined;
}

function missing(purpose) {
  return purposes[purpose].flatMap((name) => {
    const reason = lack(needs[name]);
    return reason === undefined ? [] : [{ name, reason, ...needs[name] }];
  });
}

function isDebian() {
  try {
    const release = readFileSync('/etc/os-release', 'utf8');
    return /^ID(_LIKE)?=.*\bdebian\b/m.test(release) && find('apt-get') !== undefined;
  } catch {
    return false;
  }
}

const say = (line) => stderr.write(`${line}\n`);

function parse(args) {
  const wanted = { purpose: 'demo', check: false };
  for (let index = 0; index < args.length; index++) {
    if (args[index] === '--check') wanted.check = true;
    else if (args[index] === '--for' && Object.hasOwn(purposes, args[index + 1]))
      wanted.purpose = args[++index];
    else return undefined;
  }
  return wanted;
}

function install(names) {
  const apt = (...args) =>
    spawnSync('apt-get', ['-o', 'DPkg::Lock::Timeout=120', '-o', 'Acquire::Retries=3', '-q', ...args], {
      // apt's own words go to standard error too.
      stdio: ['ignore', 2, 2],
      env: { ...env, DEBIAN_FRONTEND: 'noninteractive' },
    }).status === 0;
  // A stale or half-updated list may still have what is needed, so installing decides.
  if (!apt('update')) say('setup: apt-get update failed; trying with the package lists there are');
  const packages = names.filter((name) => needs[name].bring === undefined);
  const others = names.filter((name) => needs[name].bring !== undefined);
  if (packages.length > 0 && !apt('install', '-y', '--no-install-recommends', ...packages)) return false;
  return others.every((name) => needs[name].bring(name));
}

function main() {
  const wanted = parse(argv.slice(2));
  const asked = argv.includes('--help');
  if (asked || wanted === undefined) {
    say(
      'usage: node scripts/setup.js [--for demo|pipeline|forge|worker|test|matrices|peers|chaos|cells] [--check]',
    );
    return asked ? 0 : 2;
  }
  if (process.platform !== 'linux') {
    say(`setup: building needs Linux (this is ${process.platform}): the sandbox is made of Linux namespaces`);
    return 3;
  }
  const lacking = missing(wanted.purpose);
  if (lacking.length === 0) return 0;
  const names = lacking.map(({ name }) => name);
  say(`setup: ${wanted.purpose} needs these Debian packages:`);
  for (const { name, reason, why } of lacking) say(`  ${name.padEnd(16)} ${why} (${reason})`);
  const packages = names.filter((name) => needs[name].bring === undefined);
  const command =
    packages.length === names.length
      ? `apt-get update && apt-get install -y --no-install-recommends ${packages.join(' ')}`
      : `node scripts/setup.js --for ${wanted.purpose}`;
  if (!isDebian()) {
    say('setup: this is not Debian: install them the way your system does, then run this again');
    return 3;
  }
  if (wanted.check || getuid() !== 0) {
    say(`setup: run as root:\n  ${command}`);
    return 3;
  }
  say(`setup: ${command}`);
  if (!install(names)) {
    say('setup: apt-get could not install them; what it said is above');
    return 3;
  }
  const still = missing(wanted.purpose);
  for (const { name, reason } of still) say(`setup: ${name} is installed and still does not do: ${reason}`);
  if (still.length > 0) return 3;
  say('setup: all that was missing is here now');
  return 0;
}

exit(main());
