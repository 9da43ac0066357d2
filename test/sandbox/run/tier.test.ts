import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { limitSettings } from '../../../sandbox/cgroups/settings.ts';
import { makeDiskFile } from '../../../sandbox/disk/file.ts';
import { mountDisk, mountImage } from '../../../sandbox/disk/mount.ts';
import type { BuildProcess } from '../../../sandbox/run/process.ts';
import { type LaunchContext, type TierBackend, TierSandbox } from '../../../sandbox/run/tier.ts';
import { codeOf } from '../../support/code-and-folder.ts';
import { exited, MiB, play, smallLimits, tempFolder } from '../support.ts';

let folder: Awaited<ReturnType<typeof tempFolder>>;
/** In the order of their calls. */
let calls: string[];
let launched: { context: LaunchContext; say: (line: string) => void; end: () => void }[];
beforeEach(async () => {
  folder = await tempFolder();
  calls = [];
  launched = [];
  for (const name of ['groups', 'records']) mkdirSync(join(folder.path, name));
});
afterEach(() => folder.remove());

/** The kernel removes the files of a control group with its folder. */
function emptied({ directories }: LaunchContext): void {
  for (const directory of directories.filter((path) => existsSync(path)))
    for (const name of readdirSync(directory)) rmSync(join(directory, name));
}

/** A tier whose builds end as the test says. A folder stands in for a hierarchy of control groups. */
function tier(more: Partial<TierBackend> = {}) {
  const backend: TierBackend = {
    tier: 'namespace',
    hostImage: true,
    waits: () => true,
    guards: {
      cgroup: limitSettings,
      deadlineMs: () => 60_000,
      diskFileBytes: () => undefined,
      outputBytesMax: () => MiB,
    },
    launch: async (_, context): Promise<BuildProcess> => {
      const ended = Promise.withResolvers<void>();
      const streams = {
        input: new PassThrough().resume(),
        log: new PassThrough(),
        diagnostics: new PassThrough(),
        status: new PassThrough(),
        outputs: new PassThrough(),
      };
      const end = (): void => {
        for (const stream of [streams.log, streams.diagnostics, streams.status, streams.outputs])
          stream.end();
        emptied(context);
        ended.resolve();
      };
      launched.push({ context, say: (line) => streams.status.write(`${line}\n`), end });
      return {
        ...streams,
        readsJob: false,
        child: { ended: ended.promise, kill: end },
        cleanUp: async () => {
          calls.push(
            `cleaned up, ${existsSync(context.directories[0] ?? '') ? 'with' : 'without'} its group`,
          );
        },
      };
    },
    ...more,
  };
  const parents = [
    {
      version: 2 as const,
      path: join(folder.path, 'groups'),
      controllers: ['memory', 'cpu', 'pids', 'freezer', 'cpuacct'] as const,
    },
  ];
  return new TierSandbox(backend, { parents, recordsDir: join(folder.path, 'records') });
}
const left = (): string[] => ['groups', 'records'].flatMap((name) => readdirSync(join(folder.path, name)));

/** The build that was launched last, once it was. */
async function last() {
  await expect.poll(() => launched.length).toBeGreaterThan(0);
  const found = launched.at(-1);
  if (found === undefined) throw new Error('nothing was launched');
  const [directory = ''] = found.context.directories;
  const write = (name: string, text: string) => writeFileSync(join(directory, name), text);
  return { ...found, directory, write, read: (name: string) => readFileSync(join(directory, name), 'utf8') };
}

describe('a tier', () => {
  it('leaves nothing of a build that ended, and counts its time', async () => {
    const sandbox = tier();
    const ran = play(sandbox, ['true']);
    const { directory, say, end, write } = await last();
    const name = basename(directory);
    expect(left()).toEqual([name, `${name}.json`]);
    mkdirSync(join(folder.path, 'records', name));
    write('memory.current', '7');
    write('cpu.stat', 'usage_usec 1500000\n');
    expect(sandbox.usage()).toEqual([{ memoryBytes: 7, processorSeconds: 1.5 }]);
    expect(sandbox.processorSeconds()).toBe(1.5);
    say('ready');
    say('exit 3');
    end();
    const { outcome } = await ran;
    expect(outcome).toEqual(exited(3));
    expect([left(), calls]).toEqual([[], ['cleaned up, without its group']]);
    expect([sandbox.usage(), sandbox.processorSeconds()]).toEqual([[], 0]);
  });

  it('leaves nothing where it could not start, and says why', async () => {
    const launch = async (_: unknown, context: LaunchContext) => {
      emptied(context);
      throw new Error('no way');
    };
    const sandbox = tier({ launch });
    await expect(play(sandbox, ['true'])).rejects.toThrow('no way');
    expect(left()).toEqual([]);
  });

  it('refuses a job that is none before anything is made', async () => {
    expect(await codeOf(() => play(tier(), ['true'], { limits: { pids: 0 } }))).toBe('SANDBOX_JOB_INVALID');
    expect([left(), launched]).toEqual([[], []]);
  });

  it('holds a build to what its owner lends, from its start and later', async () => {
    const sandbox = tier();
    sandbox.cap({ pids: 7, cpus: 4 });
    sandbox.freeze();
    const ran = play(sandbox, ['true']);
    const { read, say, end } = await last();
    expect([read('pids.max'), read('cpu.max'), read('cgroup.freeze')]).toEqual(['7', '100000 100000', '1']);
    sandbox.thaw();
    expect(read('cgroup.freeze')).toBe('0');
    expect(sandbox.cap({ memoryBytes: 5, cpus: 0.5 })).toEqual([]);
    expect([read('pids.max'), read('cpu.max'), read('memory.max')]).toEqual(['32', '50000 100000', '5']);
    sandbox.freeze();
    expect(read('cgroup.freeze')).toBe('1');
    say('ready');
    say('exit 3');
    end();
    await ran;
  });

  it('has no disk where its backend gives none, and none that is not a file', async () => {
    const sandbox = tier();
    expect(await sandbox.diskAbility()).toEqual({
      ok: false,
      found: 'in this tier builds write to memory only',
    });
    expect(sandbox.abilities).toMatchObject({
      freeze: true,
      processorTime: true,
      ioWeight: false,
      disk: false,
    });
    expect(left()).toEqual([]);
    const onDisk = tier({ disk: 'drive' });
    expect(await onDisk.diskAbility()).toMatchObject({ ok: true });
    expect(onDisk.abilities.disk).toBe(true);
    expect(left()).toEqual([]);
  });

  it('starts none ahead where it may not', async () => {
    const limits = smallLimits;
    const noWait = tier({ waits: () => false });
    expect(await noWait.ahead(limits)).toBe(false);
    const frozen = tier();
    frozen.freeze();
    expect(await frozen.ahead(limits)).toBe(false);
    const usual = tier();
    const ran = play(usual, ['true']);
    const { say, end } = await last();
    expect(await usual.ahead(limits)).toBe(false);
    say('ready');
    say('exit 3');
    end();
    await ran;
    expect(launched).toHaveLength(1);
  });
});

describe('a build’s files', () => {
  it('are refused a place where there is none to mount at', async () => {
    expect(await codeOf(() => mountDisk('/a', []))).toBe('SANDBOX_UNAVAILABLE');
    expect(await codeOf(() => mountDisk('/a', ['/mnt']))).toBe('SANDBOX_UNAVAILABLE');
    expect(mountDisk('/a', ['/mnt', '/media']).folder).toBe('/media');
    const image = { cid: 'a', directory: async () => '/an/image', erofs: async () => '' };
    expect(await codeOf(() => mountImage(image, 7, undefined, []))).toBe('SANDBOX_UNAVAILABLE');
    expect(await mountImage(image, 7, '/native', ['/mnt'])).toEqual({
      folder: '/mnt',
      prefix: ['/native', 'enter', 'bind', '/an/image', '/mnt', '--'],
    });
    const { folder: at, prefix } = await mountImage(image, 7, undefined, ['/mnt']);
    expect([at, prefix.slice(-2)]).toEqual(['/mnt', ['/an/image', '/mnt']]);
  });

  it('are refused with the reason where a disk cannot be made', async () => {
    const made = makeDiskFile(join(folder.path, 'disk'), 0, { file: undefined, top: 0 });
    await expect(made).rejects.toMatchObject({ code: 'SANDBOX_FAILED' });
  });
});
