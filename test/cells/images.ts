import { execFileSync, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { cpio } from '../../sandbox/vm/cpio.ts';
import { moduleFile, unpackKernel } from '../../sandbox/vm/kernel.ts';
import { root as checkout } from '../tidy/house/source.ts';
import type { Arch } from './cells.ts';

/** Files that a guest boots. */
export interface Images {
  readonly kernel: string;
  readonly initramfs: string;
  /** Debian's root. */
  readonly root: string;
  /** This checkout with its packages, and the plan. */
  readonly project: string;
}

/** Of `process.arch`. */
const nodeArch: Record<Arch, string> = { amd64: 'x64', arm64: 'arm64' };

const packages = [
  ...[
    '?essential',
    'bubblewrap',
    'busybox-static',
    'ca-certificates',
    'e2fsprogs',
    'gcc',
    'git',
    'iproute2',
    'kmod',
  ],
  ...['libc6-dev', 'make', 'mount', 'perl', 'procps', 'xz-utils'],
];

/** Serial numbers of the drives, by which the initial file system finds them. */
export const serials = { root: 'root', project: 'project' } as const;
const imageBytes = 6 * 2 ** 30;

const initScript = `#!/bin/busybox sh
b=/bin/busybox
$b mount -t devtmpfs dev /dev
$b mount -t sysfs sys /sys
exec </dev/null >/dev/console 2>&1
for module in $($b ls /modules); do $b insmod /modules/$module || echo "no $module"; done
tries=0
until [ -n "$root" ] && [ -n "$project" ]; do
  tries=$((tries + 1))
  [ $tries -lt 100 ] || { echo 'there are no drives'; $b poweroff -f; }
  for block in /sys/block/vd*; do
    case "$($b cat $block/serial)" in
      ${serials.root}) root=/dev/\${block##*/} ;;
      ${serials.project}) project=/dev/\${block##*/} ;;
    esac
  done
  $b sleep 0.1
done
$b mount -t ext4 $root /root && $b mount -t ext4 $project /root/project
$b umount /sys
$b mount -o move /dev /root/dev
exec $b switch_root /root /bin/sh /project/test/cells/guest.sh
`;

/** Modules that the initial file system loads, each after those it depends on; others are loaded from the root. */
const modulesFirst = ['virtio_pci', 'virtio_blk', 'virtio_console', 'ext4'];

/** Makes what is not in `folder` yet; the project always. Needs root, Debian's archive and the registry of npm. */
export function makeImages(folder: string, arch: Arch, plan: string): Images {
  mkdirSync(folder, { recursive: true });
  const root = join(folder, `root-${arch}`);
  if (!existsSync(`${root}.ext4`)) {
    const whole = makeRoot(root, arch);
    makeBoot(whole, root, arch);
    makeFileSystem(whole, `${root}.ext4`);
    rmSync(whole, { recursive: true });
  }
  return {
    kernel: `${root}.kernel`,
    initramfs: `${root}.initramfs`,
    root: `${root}.ext4`,
    project: makeProject(join(folder, `project-${arch}`), arch, plan),
  };
}

function run(program: string, args: readonly string[], cwd = '/'): void {
  execFileSync(program, args, { cwd, stdio: ['ignore', 2, 2], timeout: 1_200_000, maxBuffer: 2 ** 30 });
}

/** Debian's packages, unpacked: their scripts do not run, so that it works for every processor. */
function makeRoot(folder: string, arch: Arch): string {
  rmSync(folder, { recursive: true, force: true });
  const names = [...packages, `linux-image-cloud-${arch}`].map((name) => `--include=${name}`);
  const options = ['--quiet', '--variant=extract', '--mode=root', `--architectures=${arch}`, ...names];
  run('mmdebstrap', [...options, 'trixie', folder]);
  for (const name of ['bin', 'sbin', 'lib', 'lib64'])
    if (!existsSync(join(folder, name)) && existsSync(join(folder, 'usr', name)))
      symlinkSync(`usr/${name}`, join(folder, name));
  for (const [name, target] of [
    ['sh', 'dash'],
    ['cc', 'gcc'],
  ] as const)
    if (!existsSync(join(folder, 'usr/bin', name))) symlinkSync(target, join(folder, 'usr/bin', name));
  // Not in the hierarchy of packages, or made by scripts of theirs.
  const folders = 'dev etc home/user media mnt proc project root run srv sys tmp usr/local/bin var/tmp';
  for (const name of folders.split(' ')) mkdirSync(join(folder, name), { recursive: true });
  // As scripts of packages would have made them.
  const files: Record<string, string> = {
    passwd:
      'root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n',
    group: 'root:x:0:\nuser:x:1000:\nnogroup:x:65534:\n',
    hosts: '127.0.0.1 localhost\n::1 localhost\n',
    'nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files\n',
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, 'etc', name), text);
  run('chown', ['1000:1000', join(folder, 'home/user')]);
  run('chmod', ['1777', join(folder, 'var/tmp')]);
  return folder;
}

function makeBoot(root: string, to: string, arch: Arch): void {
  const name = readdirSync(join(root, 'boot')).find((file) => file.startsWith('vmlinuz-')) ?? '';
  const release = name.slice('vmlinuz-'.length);
  const image = readFileSync(join(root, 'boot', name));
  writeFileSync(`${to}.kernel`, arch === 'amd64' ? unpackKernel(image, name) : image);
  run('depmod', ['--basedir', root, release]);
  const modules = join(root, 'usr/lib/modules', release);
  const busybox = readFileSync(join(root, 'usr/bin/busybox'));
  const loaded = loadingOrder(readFileSync(join(modules, 'modules.dep'), 'utf8')).map((path, index) => ({
    name: `modules/${String(index).padStart(2, '0')}-${basename(path)}`,
    content: moduleFile(join(modules, path)) ?? '',
  }));
  const folders = ['bin', 'dev', 'modules', 'root', 'sys'].map((folder) => ({ name: folder }));
  const files = [
    { name: 'bin/busybox', content: busybox, executable: true },
    { name: 'init', content: initScript, executable: true },
  ];
  writeFileSync(`${to}.initramfs`, cpio([...folders, ...files, ...loaded]));
}

/** Paths without the ending of compression. What is not in the list is part of the kernel. */
function loadingOrder(list: string): string[] {
  const lines = list.split('\n').map((line) => line.split(/:\s*/) as [string, string | undefined]);
  const plain = (path: string) => path.replace(/\.(xz|zst|gz)$/, '');
  const found = modulesFirst.flatMap((name) => {
    const [path, needs = ''] = lines.find(([file]) => basename(plain(file)) === `${name}.ko`) ?? [];
    // depmod lists what comes first last.
    return path === undefined ? [] : [...needs.split(' ').filter(Boolean).reverse(), path];
  });
  return [...new Set(found.map(plain))];
}

/** All files of the checkout as they are, with the packages of the lock file for that processor. */
function makeProject(folder: string, arch: Arch, plan: string): string {
  const installed = `${folder}-packages`;
  if (!existsSync(installed)) {
    const beside = `${installed}.new`;
    rmSync(beside, { recursive: true, force: true });
    mkdirSync(beside);
    for (const name of ['package.json', 'package-lock.json', '.npmrc'])
      cpSync(join(checkout, name), join(beside, name));
    const target = ['--os=linux', `--cpu=${nodeArch[arch]}`, '--libc=glibc'];
    run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', ...target], beside);
    if (!existsSync(join(beside, 'node_modules', `node-linux-${nodeArch[arch]}`)))
      throw new Error(`this npm brings no packages for ${arch}: npm 10 or newer does`);
    renameSync(beside, installed);
  }
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  const { stdout } = spawnSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: checkout,
    encoding: 'utf8',
    maxBuffer: 2 ** 27,
  });
  for (const file of stdout.split('\0').filter((name) => name !== '' && existsSync(join(checkout, name)))) {
    mkdirSync(join(folder, dirname(file)), { recursive: true });
    cpSync(join(checkout, file), join(folder, file), { verbatimSymlinks: true });
  }
  run('cp', ['--archive', '--link', join(installed, 'node_modules'), folder]);
  writeFileSync(join(folder, 'plan'), plan);
  makeFileSystem(folder, `${folder}.ext4`);
  rmSync(folder, { recursive: true });
  return `${folder}.ext4`;
}

function makeFileSystem(from: string, file: string): void {
  const beside = `${file}.new`;
  writeFileSync(beside, '');
  truncateSync(beside, imageBytes);
  run('mkfs.ext4', [
    '-q',
    '-F',
    '-O',
    '^has_journal',
    '-m',
    '0',
    '-E',
    'lazy_itable_init=1',
    '-d',
    from,
    beside,
  ]);
  renameSync(beside, file);
}
