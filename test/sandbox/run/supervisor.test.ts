import { PassThrough } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Group } from '../../../sandbox/cgroups/group.ts';
import type { BuildGuards } from '../../../sandbox/run/guards.ts';
import type { BuildProcess } from '../../../sandbox/run/process.ts';
import { BuildSupervisor } from '../../../sandbox/run/supervisor.ts';
import type { SandboxCaps } from '../../../sandbox/types.ts';
import { MiB, smallLimits, tarOf } from '../support.ts';

/** A build whose driver says what it is told to, and that ends when it is killed. */
function building(caps: SandboxCaps = {}) {
  const [input, log, diagnostics, status, outputs] = Array.from({ length: 5 }, () => new PassThrough());
  const ended = Promise.withResolvers<void>();
  const streams = { input, log, diagnostics, status, outputs } as Record<string, PassThrough>;
  let kills = 0;
  const end = async () => {
    if (kills++ > 0) return;
    // The pipes of a killed build are read to their ends later than the kill.
    for (let turn = 0; turn < 10; turn++) await setImmediate();
    log?.write('last words');
    for (const stream of Object.values(streams)) stream.end();
    ended.resolve();
  };
  const child = { ended: ended.promise, kill: () => void end() };
  const process = { ...streams, child, readsJob: false } as unknown as BuildProcess;
  const used = { oomKills: 0, processorSeconds: 0 };
  const group = { oomKills: () => used.oomKills, usage: () => used, kill: () => {} };
  const job = { source: tarOf([]), inputs: [], limits: smallLimits, run: [], env: {}, outputs: [] };
  const cancel = new AbortController();
  let said = '';
  const io = {
    onLog: (chunk: Uint8Array) => {
      said += Buffer.from(chunk).toString();
    },
    onOutputs: async () => {},
    signal: cancel.signal,
  };
  const guards = { deadlineMs: () => smallLimits.seconds * 1000, outputBytesMax: () => MiB };
  const build = new BuildSupervisor({ ...job, image: 'host' }, io, guards as unknown as BuildGuards, {
    group: group as unknown as Group,
    build: process,
    filesInMemory: true,
  });
  build.cap(caps);
  const say = async (line: string) => {
    status?.write(`${line}\n`);
    for (let turn = 0; turn < 10; turn++) await setImmediate();
  };
  return { outcome: build.outcome(), cancel, used, say, said: () => said, kills: () => kills };
}

it('output written before a build was ended is delivered, and its end is waited for', async () => {
  const { outcome, cancel, said } = building();
  cancel.abort();
  expect(await outcome).toEqual({ kind: 'aborted', reason: 'killed', detail: 'the job was cancelled' });
  expect(said()).toBe('last words');
});

describe('a build is ended', () => {
  const clocks = ['setInterval', 'clearInterval', 'setTimeout', 'clearTimeout', 'performance'] as const;
  const withClock = () => {
    vi.useFakeTimers({ toFake: [...clocks] });
    onTestFinished(() => void vi.useRealTimers());
  };
  const aborted = (reason: string, detail: string, more = {}) => ({
    kind: 'aborted',
    reason,
    detail,
    ...more,
  });

  /** The build runs until 1 ms before `ms` milliseconds have passed, and is killed once at `ms`. */
  async function endsAt(build: ReturnType<typeof building>, ms: number) {
    vi.advanceTimersByTime(ms - 1);
    expect(build.kills()).toBe(0);
    vi.advanceTimersByTime(1);
    expect(build.kills()).toBe(1);
    return await build.outcome;
  }

  it('within a quarter of a second after it has used more of the processor than the operator allows', async () => {
    withClock();
    const build = building({ processorSeconds: 10 });
    build.used.processorSeconds = 10;
    vi.advanceTimersByTime(1_000);
    build.used.processorSeconds = 10.01;
    expect(await endsAt(build, 250)).toEqual(
      aborted('time', "over 10 s of processor time, the operator's limit"),
    );
  });

  it('as soon after the kernel ended a process of it for memory', async () => {
    withClock();
    const build = building();
    build.used.oomKills = 1;
    expect(await endsAt(build, 250)).toMatchObject(aborted('memory', expect.stringContaining('of memory')));
  });

  it('after a quarter of an hour without its source, or without its outputs', async () => {
    withClock();
    expect(await endsAt(building(), 900_000)).toEqual(
      aborted('time', 'source and inputs were not in place in time'),
    );
    const build = building();
    await build.say('ready');
    await build.say('exit 0');
    expect(await endsAt(build, 900_000)).toEqual(aborted('time', 'the outputs were not taken in time'));
  });

  const { seconds, memoryBytes } = smallLimits;
  it.each<[SandboxCaps, number, string, object]>([
    [{}, seconds, 'over 20 s', { limit: 'seconds' }],
    [{ seconds }, seconds, 'over 20 s', { limit: 'seconds' }],
    [{ seconds: seconds - 1 }, seconds - 1, "over 19 s, the operator's limit", {}],
  ])('by the lower one of its own limit and %j', async (caps, after, detail, more) => {
    withClock();
    const build = building(caps);
    await build.say('ready');
    expect(await endsAt(build, after * 1000)).toEqual(aborted('time', detail, more));
  });

  it.each<[SandboxCaps, object]>([
    [{}, { limit: 'memoryBytes' }],
    [{ memoryBytes }, { limit: 'memoryBytes' }],
    [{ memoryBytes: memoryBytes - 1 }, {}],
  ])('for memory by its own limit, unless the operator has set a lower one: %j', async (caps, more) => {
    const build = building(caps);
    await build.say('memory');
    expect(await build.outcome).toEqual(
      aborted('memory', expect.stringMatching(/^over .* of memory, files in \/build included$/), more),
    );
  });
});
