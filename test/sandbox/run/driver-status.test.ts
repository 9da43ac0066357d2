import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Group } from '../../../sandbox/cgroups/group.ts';
import { BuildSupervisor } from '../../../sandbox/run/supervisor.ts';
import type { SandboxIo, SandboxJob } from '../../../sandbox/types.ts';
import { codeOf } from '../../support/code-and-folder.ts';
import { MiB } from '../support.ts';

const limits = { cpus: 1, memoryBytes: 64 * MiB, diskBytes: MiB, pids: 8, seconds: 60 };

/** A build whose driver says what the test says, whatever it does. */
function build(
  over: Partial<SandboxJob> = {},
  io: Partial<SandboxIo> = {},
  { readsJob = false, filesInMemory = true } = {},
) {
  vi.useFakeTimers({ toFake: ['setTimeout', 'setInterval', 'clearTimeout', 'clearInterval', 'performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const ended = Promise.withResolvers<void>();
  const streams = {
    input: new PassThrough(),
    log: new PassThrough(),
    diagnostics: new PassThrough(),
    status: new PassThrough(),
    outputs: new PassThrough(),
  };
  let input = '';
  streams.input.on('data', (chunk: Buffer) => {
    input += chunk.toString('latin1');
  });
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
    source: Readable.from([Buffer.alloc(1024)], { objectMode: false }),
    inputs: [],
    run: ['true'],
    env: {},
    outputs: ['.'],
    limits,
    image: 'host',
    ...over,
  };
  const received: Promise<string>[] = [];
  const all: SandboxIo = {
    signal: new AbortController().signal,
    onLog: () => {},
    onOutputs: (tar) => {
      received.push(text(tar));
      return received.at(-1)?.then(() => {}) ?? Promise.resolve();
    },
    ...io,
  };
  const guards = {
    cgroup: () => [],
    deadlineMs: () => limits.seconds * 1000,
    diskFileBytes: () => undefined,
    outputBytesMax: () => 10,
  };
  const process = {
    ...streams,
    readsJob,
    child: { ended: ended.promise, kill },
    pause: (paused: boolean) => void calls.push(`paused ${paused}`),
  };
  const supervisor = new BuildSupervisor(job, all, guards, { group, build: process, filesInMemory });
  const outcome = supervisor.outcome();
  outcome.catch(() => {});
  /** Says lines of the driver's, and lets them be read. */
  const say = async (...lines: string[]) => {
    for (const line of lines) streams.status.write(`${line}\n`);
    for (let n = 0; n < 20; n++) await new Promise(setImmediate);
  };
  return {
    ...streams,
    streams,
    job,
    supervisor,
    outcome,
    say,
    end,
    calls,
    counters,
    received,
    input: () => input,
  };
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
    ['the largest status', ['ready', 'exit 255'], { kind: 'exit', code: 255 }],
    ['no shell once it runs', ['ready', 'setup bash'], { reason: 'killed' }],
    ['no room once it runs', ['ready', 'setup disk'], { reason: 'disk' }],
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

  it.each<[string, Partial<SandboxJob>, string]>([
    ['on the host', {}, 'Install bash on this host'],
    ['in an image', { image: { cid: 'bafy' } as never }, 'bash'],
  ])('with what helps where there is no such shell %s', async (_, over, hint) => {
    const { say, outcome, end } = build(over);
    await say('setup bash');
    end();
    await expect(outcome).rejects.toMatchObject({ hint: expect.stringContaining(hint) });
  });

  it('with outputs of a failed build where the job wants them, and its status', async () => {
    const { say, outputs, outcome, end, received } = build({ failedOutputs: true });
    await say('ready', 'exit 3');
    outputs.write('report');
    await say('complete');
    end();
    expect(await outcome).toEqual({ kind: 'exit', code: 3 });
    expect(await Promise.all(received)).toEqual(['report']);
    vi.useRealTimers();
    const cut = build({ failedOutputs: true });
    await cut.say('ready', 'exit 3', 'setup outputs');
    cut.end();
    expect(await cut.outcome).toEqual({ kind: 'exit', code: 3 });
    expect(cut.calls).toEqual([]);
  });

  it('however its messages are cut', async () => {
    const { status, outcome, say, end } = build();
    for (const part of ['rea', 'dy\nexi', 't 4', '\n']) {
      status.write(part);
      await say();
    }
    end();
    expect(await outcome).toEqual({ kind: 'exit', code: 4 });
  });

  it('with the end of what its tools said, where no step ran', async () => {
    const { diagnostics, outcome, say, end } = build();
    diagnostics.write(`${'a'.repeat(4096)}${'b'.repeat(4095)}`);
    diagnostics.write('c');
    await say();
    end();
    expect(await outcome).toEqual({ kind: 'aborted', reason: 'setup', detail: `${'b'.repeat(4095)}c` });
    vi.useRealTimers();
    const silent = build();
    silent.end();
    expect(await silent.outcome).toMatchObject({ detail: 'the sandbox ended before the first step' });
  });

  it('when its source is none, but not once it runs; an input that breaks off ends nothing else', async () => {
    const bad = () => Readable.from([Buffer.alloc(1024, 'x')], { objectMode: false });
    const before = build({ source: bad() });
    expect(await before.outcome).toMatchObject({
      reason: 'setup',
      detail: expect.stringContaining('source'),
    });
    vi.useRealTimers();
    const later = new Readable({ read: () => {} });
    const { say, outcome, end, calls } = build({ inputs: [{ name: 'a', tar: later }] });
    await say('ready');
    later.destroy(new Error('gone'));
    await say('exit 3');
    expect(calls).toEqual([]);
    end();
    expect(await outcome).toEqual({ kind: 'exit', code: 3 });
  });

  it.each([false, true])(
    'and was sent its job before its source where it reads that: %s',
    async (readsJob) => {
      const { say, outcome, end, input } = build({}, {}, { readsJob });
      await say('ready', 'exit 3');
      end();
      await outcome;
      expect(input().startsWith('quorate1')).toBe(readsJob);
      // The driver that is a shell has a pipe for the log.
      expect(input().includes('.log\0')).toBe(!readsJob);
    },
  );

  it('and nothing of it goes on: no clock, no stream, and no cancelling', async () => {
    const cancel = new AbortController();
    const { say, outcome, end, calls, streams, job, log } = build({}, { signal: cancel.signal });
    await say('ready', 'exit 3');
    log.destroy(new Error('a broken pipe'));
    end();
    await outcome;
    expect(vi.getTimerCount()).toBe(0);
    expect([job.source, ...Object.values(streams)].map(({ destroyed }) => destroyed)).toEqual(
      Array(6).fill(true),
    );
    cancel.abort();
    expect(calls).toEqual([]);
  });

  it('when its outputs break off, or it is cancelled while they are read', async () => {
    const broken = build();
    await broken.say('ready', 'exit 0');
    broken.outputs.destroy(new Error('broke off'));
    expect(await broken.outcome).toEqual({ kind: 'aborted', reason: 'killed', detail: 'broke off' });
    vi.useRealTimers();
    const cancel = new AbortController();
    const cancelled = build({}, { signal: cancel.signal });
    await cancelled.say('ready', 'exit 0');
    cancel.abort();
    expect(await cancelled.outcome).toMatchObject({ detail: 'the job was cancelled' });
    await expect(cancelled.received[0]).rejects.toThrow('the job was cancelled');
  });

  it('also where the reader of its outputs needs no more of them', async () => {
    const { say, outputs, outcome, end } = build({}, { onOutputs: async () => {} });
    await say('ready', 'exit 0');
    outputs.write('12345');
    await say('complete');
    end();
    expect(await outcome).toEqual({ kind: 'exit', code: 0 });
    expect(outputs.readableLength).toBe(0);
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

  it.each(['exit 0', 'complete'])('and its outputs are worth nothing: %s', async (last) => {
    const { say, outcome, counters, calls, received } = build();
    await say(...['ready', 'exit 0'].slice(0, last === 'complete' ? 2 : 1));
    counters.oomKills = 1;
    await say(last);
    expect(calls).toContain('killed');
    expect(await outcome).toMatchObject({
      reason: 'memory',
      detail: 'over 64 MiB of memory, files in /build included',
    });
    for (const tar of received) await expect(tar).rejects.toThrow('memory');
    expect(received).toHaveLength(last === 'complete' ? 1 : 0);
  });

  it.each<[number, boolean, object]>([
    [64 * MiB, true, { limit: 'memoryBytes' }],
    [64 * MiB - 1, false, {}],
  ])(
    'and names the limit of the job where the operator lends no less: %i bytes',
    async (memoryBytes, inMemory, more) => {
      const { say, outcome, supervisor } = build({}, {}, { filesInMemory: inMemory });
      supervisor.cap({ memoryBytes });
      await say('ready', 'memory');
      const detail = `over 64 MiB of memory${inMemory ? ', files in /build included' : ''}`;
      expect(await outcome).toEqual({ kind: 'aborted', reason: 'memory', detail, ...more });
    },
  );

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

  it('when the operator lends as much time as the job has, which is the limit of the job', async () => {
    const { say, outcome, supervisor } = build();
    supervisor.cap({ seconds: 60 });
    await say('ready');
    await vi.advanceTimersByTimeAsync(60_000);
    expect(await outcome).toEqual({ kind: 'aborted', reason: 'time', detail: 'over 60 s', limit: 'seconds' });
  });

  it('by what the operator lends only while its steps run', async () => {
    const { say, supervisor, counters, calls, end, outcome } = build();
    supervisor.cap({ seconds: 1 });
    await vi.advanceTimersByTimeAsync(2_000);
    await say('ready', 'exit 3');
    supervisor.cap({ seconds: 1, processorSeconds: 1 });
    counters.processorSeconds = 9;
    await vi.advanceTimersByTimeAsync(2_000);
    expect(calls).toEqual([]);
    end();
    expect(await outcome).toEqual({ kind: 'exit', code: 3 });
  });

  it('later by the time that it is paused, of which its tier hears', async () => {
    const { say, supervisor, calls, outcome } = build();
    await say('ready');
    supervisor.pause(true);
    await vi.advanceTimersByTimeAsync(600_000);
    supervisor.pause(false);
    await vi.advanceTimersByTimeAsync(59_999);
    expect(calls).toEqual(['paused true', 'paused false']);
    await vi.advanceTimersByTimeAsync(1);
    expect(await outcome).toMatchObject({ reason: 'time' });
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
    let lines = 0;
    const onLog = () => {
      lines++;
      throw failure;
    };
    const first = build({}, { onLog });
    first.log.write('a line');
    first.log.write('and another');
    await expect(first.outcome).rejects.toBe(failure);
    expect(lines).toBe(1);
    vi.useRealTimers();
    const second = build({}, { onOutputs: () => Promise.reject(failure) });
    await second.say('ready', 'exit 0');
    await expect(second.outcome).rejects.toBe(failure);
  });
});
