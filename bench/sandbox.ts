import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pack } from 'tar-stream';
import { openSandbox, type SandboxImage, type Tier } from '../sandbox/index.ts';
import { cpio } from '../sandbox/vm/cpio.ts';
import { probeImage } from '../sandbox/vm/probe.ts';
import { bootFiles, fileCacheIn } from '../sandbox/vm/tier.ts';
import { type Bench, inTurn, median, type Suite, seconds } from './run.ts';
import { bareGroup, inGroup, job } from './sandbox-jobs.ts';

const treeBytes = 200_000_000;
const files = 100;
const rounds = 5;
/** Megabytes a second of a tree, one way. */
const rateMin = 150;

interface Bare {
  name: string;
  /** How much longer the tier may take from start to first command and back. */
  msOver: number;
  /** The image its jobs run on, where that is not the host. Such a tier moves no tree here: that is the image's tools' pace. */
  image?: (folder: string) => SandboxImage;
  /** Starts the tool with as little around a command as it can do with. */
  command(folder: string): Promise<string[]>;
}

/** The least that starts a kernel and ends it again: a bare QEMU, with a guest that does nothing else. */
async function bareMachine(folder: string): Promise<string[]> {
  const { kernel } = await bootFiles(fileCacheIn(folder));
  const initial = join(folder, 'bare-initramfs');
  const init = '#!/bin/busybox sh\n/bin/busybox poweroff -f\n';
  const busybox = { name: 'bin/busybox', content: readFileSync('/usr/bin/busybox'), executable: true };
  writeFileSync(initial, cpio([{ name: 'bin' }, busybox, { name: 'init', content: init, executable: true }]));
  return [
    ...['qemu-system-x86_64', '-machine', 'q35', '-accel', 'tcg', '-smp', '2', '-m', '2048M'],
    ...['-nodefaults', '-no-reboot', '-display', 'none', '-kernel', kernel, '-initrd', initial],
    ...['-append', 'quiet panic=-1'],
  ];
}

/** The system of the machine's probe: a shell and what it takes to start a job. */
const smallImage = (folder: string): SandboxImage =>
  probeImage(fileCacheIn(folder), AbortSignal.timeout(60_000));

/** A further tier is an entry here, with the tool that it is made of. */
const tiers: Partial<Record<Tier, Bare>> = {
  namespace: {
    name: 'bwrap',
    msOver: 10,
    command: async () => ['bwrap', '--ro-bind', '/', '/', '--unshare-all', '--', '/bin/true'],
  },
  gvisor: {
    name: 'runsc',
    msOver: 80,
    command: async (folder) => {
      const bundle = join(folder, 'bundle');
      await mkdir(bundle, { recursive: true });
      const config = {
        ociVersion: '1.0.0',
        process: { user: { uid: 0, gid: 0 }, args: ['/bin/true'], env: [], cwd: '/' },
        root: { path: '/', readonly: true },
        linux: { namespaces: [{ type: 'pid' }, { type: 'mount' }, { type: 'network' }] },
      };
      await writeFile(join(bundle, 'config.json'), JSON.stringify(config));
      const options = ['--rootless', '--ignore-cgroups', '--network=none', '--overlay2=none'];
      return ['runsc', `--root=${folder}`, ...options, 'run', `--bundle=${bundle}`, 'bare'];
    },
  },
  'vm-emulated': { name: 'qemu', msOver: 2000, image: smallImage, command: bareMachine },
};

/** Random, so that nothing on the way can save work; made once, so that making it takes no part. */
async function tree(): Promise<Buffer> {
  const archive = pack();
  const chunks: Uint8Array[] = [];
  archive.on('data', (chunk) => chunks.push(chunk as Uint8Array));
  for (let file = 0; file < files; file++)
    archive.entry({ name: `f${file}` }, randomBytes(treeBytes / files));
  archive.finalize();
  await once(archive, 'end');
  return Buffer.concat(chunks);
}

/** Milliseconds of processor time that something takes, the median: less than the clock does it depend on what else runs. */
async function spends(counted: () => number, work: () => Promise<unknown>): Promise<number> {
  const taken: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const before = counted();
    await work();
    taken.push((counted() - before) * 1000);
  }
  return median(taken);
}

function startFigures(bench: Bench, tier: Tier, bare: Bare, ours: number, tool: number): void {
  bench.figure(`${tier}: start to first command and back`, ours * 1000, 'ms', {
    beside: [`ms, bare ${bare.name} in such a group`, tool * 1000],
  });
  bench.figure(`${tier}: what it takes over ${bare.name}`, (ours - tool) * 1000, 'ms', {
    under: bare.msOver,
  });
}

async function suiteRun(bench: Bench): Promise<void> {
  const [empty, full] = [Buffer.alloc(1024), await tree()];
  for (const [tier, bare] of Object.entries(tiers) as [Tier, Bare][]) {
    const folder = await bench.folder();
    const sandbox = await openSandbox(folder, tier);
    const group = bareGroup();
    const command = await bare.command(folder);
    if (bare.image !== undefined) {
      const image = bare.image(folder);
      const { ours, tool } = await inTurn(rounds, {
        tool: () => seconds(() => inGroup(group, command)),
        ours: () => seconds(() => job(sandbox, empty, 'true', image)),
      });
      startFigures(bench, tier, bare, ours.warm, tool.warm);
      await group.destroy();
      continue;
    }
    const shm = await mkdtemp('/dev/shm/quorate-bench-');
    const { ours, tool, plain, into, both } = await inTurn(rounds, {
      tool: () => seconds(() => inGroup(group, command)),
      plain: () => seconds(() => inGroup(group, ['tar', '-x', '-f', '-', '-C', shm], full)),
      ours: () => seconds(() => job(sandbox, empty, 'true')),
      into: () => seconds(() => job(sandbox, full, 'true')),
      both: () => seconds(() => job(sandbox, full, 'mv f* $OUT/')),
    });
    startFigures(bench, tier, bare, ours.warm, tool.warm);
    const rate = (taken: number) => treeBytes / 1e6 / taken;
    const [spent, bareSpent] = [
      await spends(
        () => sandbox.processorSeconds(),
        () => job(sandbox, empty, 'true'),
      ),
      await spends(
        () => group.usage().processorSeconds,
        () => inGroup(group, command),
      ),
    ];
    bench.figure(`${tier}: processor time of that`, spent, 'ms', {
      beside: [`ms, bare ${bare.name}`, bareSpent],
    });
    const beside = ['MB/s, tar -x alone, in such a group', rate(plain.warm)] as const;
    bench.figure(`${tier}: 200 MB in`, rate(into.warm - ours.warm), 'MB/s', { beside });
    bench.figure(`${tier}: and out again`, rate(both.warm - into.warm), 'MB/s', { beside });
    bench.figure(`${tier}: in, beside the aim`, rate(into.warm - ours.warm), 'MB/s', { over: rateMin });
    await group.destroy();
    await rm(shm, { recursive: true });
  }
}

export const suite: Suite = {
  what: 'a command, and 200 MB in and out, in each tier beside the tool that it is made of',
  secondsMax: 480,
  run: suiteRun,
};
