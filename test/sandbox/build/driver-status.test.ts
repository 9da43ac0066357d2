import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { BuildSupervisor } from '../../../sandbox/build/supervisor.ts';
import type { Group } from '../../../sandbox/cgroups/group.ts';
import type { SandboxIo, SandboxJob } from '../../../sandbox/types.ts';
import { codeOf } from '../../runtime/support.ts';
import { MiB } from '../support.ts';

const limits = { cpus: 1, memoryBytes: 64 * MiB, diskBytes: MiB, pids: 8, seconds: 60 };

/** A build whose driver says what the test says, whatever it does. */
function build(over: Partial<SandboxJob> = {}, io: Partial<SandboxIo> = {}) {
  vi.useFakeTimers({ toFake: ['setTimeout', 'setInterval', 'clearTimeout', 'clearInterval', 'performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const ended = Promise.withResolvers<void>();
  const streams = {
    ...{ input: new PassThrough(), log: new PassThrough(), diagnostics: new PassThrough() },
    ...{ status: new PassThrough(), outputs: new PassThrough() },
  };
  streams.input.resume();
  const calls: string[] = [];
  const end = () => {
    for (const stream of [streams.log, streams.diagnostics, streams.status, streams.outputs]) stream.end();
    ended.resolve();
  };
  const kill = () => {
    calls.push('killed');
    end();
  };
  const counters = { oomKills: 0, processorSeconds: 0 };
  const group = {
    oomKills: () => counters.oomKills,
    usage: () => ({ memoryBytes: 0, processorSeconds: counters.processorSeconds }),
    kill: () => void calls.push('group killed'),
  } as unknown as Group;
  const job: SandboxJob = {
    ...{
      source: Readable.from([Buffer.alloc(1024)], { objectMode: false }),
      inputs: [],
      run: ['true'],
      env: {},
    },
    ...{ outputs: ['.'], limits, image: 'host', ...over },
  };
  const received: Promise<string>[] = [];
  const all: SandboxIo = {
    ...{ signal: new AbortController().signal, onLog: () => {} },
    onOutputs: (tar) => {
      received.push(text(tar));
      return received.at(-1)?.then(() => {}) ?? Promise.resolve();
    },
    ...io,
  };
  const guards = {
    ...{ cgroup: () => [], deadlineMs: () => limits.seconds * 1000, diskFileBytes: () => undefined },
    outputBytesMax: () => 10,
  };
  const supervisor = new BuildSupervisor(job, all, group, guards, {
    ...{ ...streams, readsJob: false, child: { ended: ended.promise, kill } },
  });
  const outcome = supervisor.outcome();
  outcome.catch(() => {});
  /** Says lines of the driver's, and lets them be read. */
  const say = async (...lines: string[]) => {
    for (const line of lines) streams.status.write(`${line}\n`);
    for (let n = 0; n < 20; n++) await new Promise(setImmediate);
  };
  return { ...streams, supervisor, outcome, say, end, calls, counters, received };
}

describe('a build ends', () => {
  it('with its exit status and its outputs, when they are whole', async () => {
    const { say, outputs, outcome, end, received } = build();
    await say('ready', 'exit 0');
    outputs.write('outputs');
    await say('complete');
    end();
    expect(await outcome).toEqual({ kind: 'exit', code: 0 });
    expect(await Promise.all(received)).toEqual(['outputs']);
  });

  it('with the status of a step that failed, and without outputs', async () => {
    const { say, outcome, end, received } = build();
    await say('ready', 'exit 3');
    end();
    expect(await outcome).toEqual({ kind: 'exit', code: 3 });
    expect(received).toEqual([]);
  });

  it.each<[string, string[], object]>([
    ['a status before the first step counts for nothing', ['exit 0'], { reason: 'setup' }],
    ['none', ['ready'], { reason: 'killed', detail: 'the sandbox was ended from outside' }],
    ['a second status counts for nothing', ['ready', 'exit 4', 'exit 0'], { kind: 'exit', code: 4 }],
    ['outputs without their end', ['ready', 'exit 0'], { reason: 'killed' }],
    ['outputs that are whole before the status', ['ready', 'complete', 'exit 0'], { reason: 'killed' }],
    ['no room for the source', ['setup disk'], { reason: 'disk', limit: 'diskBytes' }],
    ['outputs that are not there', ['ready', 'exit 0', 'setup outputs'], { kind: 'exit', code: 1 }],
    ['no memory', ['ready', 'memory'], { reason: 'memory', limit: 'memoryBytes' }],
    ['words that mean nothing', ['ready', 'exit 256', 'exit x', 'else', 'exit 2'], { kind: 'exit', code: 2 }],
  ])('as the driver says: %s', async (_, lines, expected) => {
    const { say, outcome, end } = build();
    await say(...lines);
    end();
    expect(await outcome).toMatchObject(expected);
  });

  it('with a code where a step asks for a shell that is not there', async () => {
    const { say, outcome, end } = build();
    await say('setup bash');
    end();
    expect(await codeOf(() => outcome)).toBe('SANDBOX_SHELL_MISSING');
  });

  it('when its outputs exceed their bound', async () => {
    const { say, outputs, outcome, calls } = build();
    await say('ready', 'exit 0');
    outputs.write('12345678901');
    expect(await outcome).toMatchObject({ reason: 'disk', limit: 'diskBytes' });
    expect(calls).toContain('killed');
    expect(calls).toContain('group killed');
  });

  it('when the kernel ended one of its processes for memory, whatever it says itself', async () => {
    const { say, outcome, end, counters } = build({ outputs: [] });
    await say('ready', 'exit 3');
    counters.oomKills = 1;
    end();
    expect(await outcome).toMatchObject({ kind: 'aborted', reason: 'memory' });
  });

  it('within a quarter of a second of that', async () => {
    const { say, outcome, counters, calls } = build();
    await say('ready');
    counters.oomKills = 1;
    await vi.advanceTimersByTimeAsync(249);
    expect(calls).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(calls).toContain('killed');
    expect(await outcome).toMatchObject({ reason: 'memory' });
  });

  it('when it has used the processor time that the operator lends', async () => {
    const { say, outcome, counters, supervisor, calls } = build();
    await say('ready');
    supervisor.cap({ processorSeconds: 5 });
    counters.processorSeconds = 5;
    await vi.advanceTimersByTimeAsync(500);
    expect(calls).toEqual([]);
    counters.processorSeconds = 5.1;
    await vi.advanceTimersByTimeAsync(250);
    expect(await outcome).toMatchObject({
      reason: 'time',
      detail: expect.stringContaining('processor time'),
    });
  });

  it.each<[string, number, string[], object]>([
    ['source that does not come', 900, [], { reason: 'time' }],
    ['steps', 60, ['ready'], { reason: 'time', limit: 'seconds', detail: 'over 60 s' }],
    ['outputs that are not taken', 900, ['ready', 'exit 0'], { reason: 'time' }],
  ])('when its time is over: %s, %i s', async (_, seconds, lines, expected) => {
    const { say, outcome, calls } = build();
    await say(...lines);
    await vi.advanceTimersByTimeAsync(seconds * 1000 - 1);
    expect(calls).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(calls).toContain('killed');
    const found = await outcome;
    expect(found).toMatchObject(expected);
    expect('limit' in found).toBe('limit' in expected);
  });

  it('when the operator lends less time, which is no limit of the job', async () => {
    const { say, outcome, supervisor } = build();
    await say('ready');
    supervisor.cap({ seconds: 30 });
    await vi.advanceTimersByTimeAsync(30_000);
    const found = await outcome;
    expect(found).toEqual({ kind: 'aborted', reason: 'time', detail: "over 30 s, the operator's limit" });
  });

  it('when it is cancelled, before and while it runs', async () => {
    const before = build({}, { signal: AbortSignal.abort() });
    expect(await before.outcome).toMatchObject({ reason: 'killed', detail: 'the job was cancelled' });
    vi.useRealTimers();
    const cancel = new AbortController();
    const while_ = build({}, { signal: cancel.signal });
    await while_.say('ready');
    cancel.abort();
    expect(await while_.outcome).toMatchObject({ reason: 'killed', detail: 'the job was cancelled' });
  });

  it('with what the reader of the log or the outputs threw', async () => {
    const failure = new Error('the disk of the worker is full');
    const onLog = () => {
      throw failure;
    };
    const first = build({}, { onLog });
    first.log.write('a line');
    await expect(first.outcome).rejects.toBe(failure);
    vi.useRealTimers();
    const second = build({}, { onOutputs: () => Promise.reject(failure) });
    await second.say('ready', 'exit 0');
    await expect(second.outcome).rejects.toBe(failure);
  });
});
