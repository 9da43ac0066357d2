import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Sandbox, SandboxImage, Steering } from '../../sandbox/index.ts';
import { holdsWithin, play as playOn, type Ran, tempFolder } from './support.ts';

export interface SteeringOptions {
  /** Of a tier that cannot run the host's own system. */
  image?: (folder: string) => Promise<SandboxImage>;
  /** How many of the host's processes one of the build's may be. */
  processesEach?: readonly number[];
}

/** The controls of the machine's owner in every tier. All of it is looked at where the kernel keeps it. */
export function steeringContract(
  open: (stateDir: string) => Promise<Sandbox & Steering>,
  { image: makeImage, processesEach = [1, 2, 3] }: SteeringOptions = {},
): void {
  let folder: Awaited<ReturnType<typeof tempFolder>>;
  let sandbox: Sandbox & Steering;
  let image: 'host' | SandboxImage = 'host';
  const play: typeof playOn = (on, run, options = {}) => playOn(on, run, { image, ...options });

  beforeAll(async () => {
    folder = await tempFolder();
    if (makeImage !== undefined) image = await makeImage(folder.path);
    sandbox = await open(folder.path);
  });
  afterAll(() => folder?.remove());

  /** Starts a build and waits until its first step writes to the log. */
  async function running(steps: string[], limits = {}): Promise<{ ended: Promise<Ran>; stop(): void }> {
    const started = Promise.withResolvers<void>();
    const stop = new AbortController();
    const ended = play(sandbox, steps, { limits, signal: stop.signal, onLog: () => started.resolve() });
    await Promise.race([started.promise, ended]);
    return { ended, stop: () => stop.abort() };
  }

  /** A file of the group of the one job that runs. */
  async function held(...names: string[]): Promise<string | undefined> {
    const notes = join(folder.path, 'sandbox');
    const [note = ''] = await readdir(notes);
    const { directories } = JSON.parse(await readFile(join(notes, note), 'utf8'));
    const found = directories
      .flatMap((directory: string) => names.map((name) => join(directory, name)))
      .find(existsSync);
    return found === undefined ? undefined : (await readFile(found, 'utf8')).trim();
  }

  const spin = ['echo on; while :; do :; done'];

  it('a build over the processor time of its operator is stopped, though its own time is not over', async () => {
    expect(sandbox.abilities.processorTime).toBe(true);
    sandbox.cap({ processorSeconds: 0.4 });
    try {
      const { outcome } = await play(sandbox, spin, { limits: { seconds: 60 } });
      expect(outcome).toMatchObject({ kind: 'aborted', reason: 'time' });
      expect(JSON.stringify(outcome)).toContain('over 0.4 s of processor time');
      expect(outcome).not.toHaveProperty('limit');
    } finally {
      sandbox.cap({});
    }
  });

  it('a build over the memory of its operator exceeds no limit of its job', async () => {
    sandbox.cap({ memoryBytes: 64 * 2 ** 20 });
    try {
      const { outcome } = await play(sandbox, ['dd if=/dev/zero of=/dev/null bs=400000000 count=1'], {
        limits: { memoryBytes: 512 * 2 ** 20 },
      });
      expect(outcome).toMatchObject({ kind: 'aborted', reason: 'memory' });
      expect(outcome).not.toHaveProperty('limit');
    } finally {
      sandbox.cap({});
    }
  });

  it('waiting is no processor time', async () => {
    const before = sandbox.processorSeconds();
    const { outcome } = await play(sandbox, ['sleep 0.5']);
    expect(outcome).toEqual({ kind: 'exit', code: 0 });
    expect(sandbox.processorSeconds()).toBeGreaterThan(before);
  });

  // That it counts from the beginning of the build: test/sandbox/run/deadline.test.ts.
  it('less time holds for a build that runs already', async () => {
    const build = await running(['echo on; sleep 1000'], { seconds: 600 });
    sandbox.cap({ seconds: 0.4 });
    try {
      const { outcome } = await build.ended;
      expect(outcome).toMatchObject({ kind: 'aborted', reason: 'time' });
      expect(JSON.stringify(outcome)).toContain("over 0.4 s, the operator's limit");
      expect(outcome).not.toHaveProperty('limit');
    } finally {
      sandbox.cap({});
    }
  });

  it('fewer processors, less memory and fewer processes hold for a build that runs', async () => {
    const build = await running(spin, { cpus: 1 });
    // A tier adds what it needs beside the job.
    const memory = async () => Number(await held('memory.limit_in_bytes', 'memory.max'));
    const pids = async () => Number(await held('pids.max'));
    const [memoryBefore, pidsBefore] = [await memory(), await pids()];
    expect(sandbox.cap({ cpus: 0.5, memoryBytes: 100 * 2 ** 20, pids: 20 })).toEqual([]);
    expect(await held('cpu.cfs_quota_us', 'cpu.max')).toMatch(/^50000( 100000)?$/);
    expect((memoryBefore - (await memory())) / (28 * 2 ** 20)).toBeCloseTo(1, 1);
    // Some count more than one for each of the job's.
    expect((pidsBefore - (await pids())) / 12).toBeOneOf([...processesEach]);
    const now = () => ({ clock: performance.now() / 1000, spent: sandbox.processorSeconds() });
    const began = now();
    await holdsWithin(120_000, async () => now().spent - began.spent > 0.3);
    const ended = now();
    // Half a processor, and what the burst of a period adds.
    expect((ended.spent - began.spent) / (ended.clock - began.clock)).toBeLessThan(0.7);
    sandbox.cap({});
    build.stop();
    await build.ended;
  });

  it('gives way as its operator says, also from one moment to the next', async () => {
    const build = await running(spin);
    const shares = () => held('cpu.shares', 'cpu.weight');
    expect(await shares()).toMatch(/^(204|20)$/);
    expect(sandbox.prioritise({ processor: 'idle', ioWeight: 5 })).toEqual([]);
    if (sandbox.abilities.idle) expect(await held('cpu.idle')).toBe('1');
    expect((await held('blkio.bfq.weight', 'io.bfq.weight', 'io.weight')) ?? '5').toMatch(/\b5$/);
    expect(sandbox.prioritise({ processor: 'low', ioWeight: 20 })).toEqual([]);
    if (sandbox.abilities.idle) expect(await held('cpu.idle')).toBe('0');
    expect(await shares()).toMatch(/^(204|20)$/);
    build.stop();
    await build.ended;
  });

  it('frozen, a build uses nothing and its time stands still', async () => {
    let ended = false;
    const build = await running(spin, { seconds: 600 });
    void build.ended.finally(() => {
      ended = true;
    });
    sandbox.freeze();
    let before = sandbox.processorSeconds();
    await holdsWithin(60_000, async () => {
      const last = before;
      before = sandbox.processorSeconds();
      return before === last;
    });
    // Its time is over by now, but for its standing still.
    sandbox.cap({ seconds: 0.001 });
    try {
      const goesOn = async () => ended || sandbox.processorSeconds() - before > 0.05;
      expect(await holdsWithin(500, goesOn)).toBe(false);
      sandbox.thaw();
      const { outcome } = await build.ended;
      expect(outcome).toMatchObject({ kind: 'aborted', reason: 'time' });
    } finally {
      sandbox.cap({});
    }
  });
}
