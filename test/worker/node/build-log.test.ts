import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished, vi } from 'vitest';
import { limits } from '../../../src/protocol/base/limits.ts';
import { BuildLog, openLogStream } from '../../../src/worker/node/build-log.ts';
import type { WorkerContext } from '../../../src/worker/node/context.ts';
import { workerNodeLimits } from '../../../src/worker/node/limits.ts';
import { withLimits } from '../../support/with-limits.ts';

/** A log whose messages are kept, with the time of each. */
function logging(reads: Promise<void> = Promise.resolve()) {
  const sent: { text: string; at: number }[] = [];
  const ended: number[] = [];
  const stream = {
    send: async (bytes: Uint8Array) => {
      await reads;
      sent.push({ text: Buffer.from(bytes).toString(), at: performance.now() });
    },
    end: async () => void ended.push(sent.length),
    close: async () => {},
  };
  const text = () => sent.map((message) => message.text).join('');
  return { log: new BuildLog(Promise.resolve(stream)), sent, ended, text };
}

it('a line after a silence is sent at once', async () => {
  const { log, sent } = logging();
  log.line('first');
  await sleep(0);
  expect(sent.map(({ text }) => text)).toEqual(['first\n']);
  await sleep(80);
  log.line('second');
  await sleep(0);
  expect(sent.map(({ text }) => text)).toEqual(['first\n', 'second\n']);
  await log.end();
});

it('lines that follow each other are gathered into few messages, and none is late', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const { log, sent, text } = logging();
  const began = performance.now();
  const lines = Array.from({ length: 130 }, (_, n) => `line ${n}`);
  for (const line of lines) {
    log.line(line);
    await vi.advanceTimersByTimeAsync(1);
  }
  expect(sent.map(({ at }) => at - began)).toEqual([0, 50, 100]);
  // Without an end: what is gathered goes out by itself.
  await vi.advanceTimersByTimeAsync(20);
  expect(sent.map(({ at }) => at - began)).toEqual([0, 50, 100, 150]);
  expect(text()).toBe(lines.map((line) => `${line}\n`).join(''));
  await log.end();
});

it('a flood of small pieces is sent in messages of 64 KiB, without a wait for the clock', async () => {
  const { log, sent, text } = logging();
  log.line('begins');
  const began = performance.now();
  const piece = Buffer.from(`${'x'.repeat(99)}\n`);
  for (let n = 0; n < 20_000; n += 1) {
    log.write(piece);
    if (n % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  const took = performance.now() - began;
  await log.end();
  expect(text().length).toBe('begins\n'.length + 2_000_000);
  expect(sent.length).toBeLessThan(2_000_000 / 65_536 + 3 + took / 50);
  expect(Math.max(...sent.map((message) => message.text.length))).toBeLessThanOrEqual(65_536);
});

it('a build that ends, or is killed, leaves nothing unsent and waits for no clock', async () => {
  const { log, text } = logging();
  log.line('first');
  await sleep(0);
  log.write(Buffer.from('cut off, without a line break'));
  expect(text()).toBe('first\n');
  await sleep(0);
  const kept = log.end();
  // Before any timer of the log can be due.
  await new Promise((resolve) => setImmediate(resolve));
  expect(text()).toBe('first\ncut off, without a line break');
  expect(Buffer.from(await kept).toString()).toBe(text());
});

it('a result does not wait for a controller that reads slowly, and what is left of the log is sent after it', async () => {
  withLimits(workerNodeLimits, { logEndMs: 50 });
  const { promise: reads, resolve: read } = Promise.withResolvers<void>();
  const { log, ended, text } = logging(reads);
  log.write(Buffer.alloc(500_000, 'x'));
  expect((await log.end()).length).toBe(500_000);
  expect([text(), ended.length]).toEqual(['', 0]);
  read();
  await expect.poll(() => ended).toEqual([8]);
  expect(text().length).toBe(500_000);
});

it('a controller that does not read is told how much it missed, beyond a mebibyte that waits for it', async () => {
  const { promise: reads, resolve: read } = Promise.withResolvers<void>();
  const { log, ended, text } = logging(reads);
  log.write(Buffer.alloc(2 ** 20, 'x'));
  log.write(Buffer.from('y'));
  log.write(Buffer.from('zzz'));
  const ending = log.end();
  read();
  expect((await ending).length).toBe(2 ** 20 + 4);
  await expect.poll(() => ended.length).toBe(1);
  expect(text().slice(2 ** 20)).toBe(
    'y\n[quorate: 3 bytes are left out here, as they came faster than they could be sent]\n',
  );
});

it('a log has as many bytes as the limit says, and a line that the rest is left out', async () => {
  withLimits(limits, { logBytesMax: 10 });
  const { log } = logging();
  log.write(Buffer.from('123456789'));
  log.write(Buffer.from('0ab'));
  log.write(Buffer.from('c'));
  const kept = Buffer.from(await log.end()).toString();
  expect(kept).toBe('1234567890\n[quorate: the log reached its limit; the rest is left out]\n');
  const { log: shorter } = logging();
  shorter.write(Buffer.from('123456789'));
  expect(Buffer.from(await shorter.end()).toString()).toBe('123456789');
});

it('a controller that reads nothing is left when the time for the rest is over, and its result is not late for it', async () => {
  withLimits(workerNodeLimits, { logEndMs: 1, logRestMs: 1 });
  const closed = Promise.withResolvers<string>();
  const stream = {
    send: () => new Promise<void>(() => {}),
    end: async () => closed.resolve('ended'),
    close: async () => closed.resolve('closed'),
  };
  const log = new BuildLog(Promise.resolve(stream));
  log.line('one');
  expect(Buffer.from(await log.end()).toString()).toBe('one\n');
  expect(await closed.promise).toBe('closed');
});

it('a log is whole without a controller, and where its stream fails', async () => {
  const none = new BuildLog(Promise.resolve(undefined));
  none.line('one');
  expect(Buffer.from(await none.end()).toString()).toBe('one\n');
  let sends = 0;
  const ends: string[] = [];
  const send = async () => {
    sends++;
    throw new Error('lost');
  };
  const end = async () => void ends.push('end');
  const lost = new BuildLog(Promise.resolve({ send, end, close: end }));
  lost.line('one');
  await expect.poll(() => sends).toBe(1);
  lost.line('two');
  expect(Buffer.from(await lost.end()).toString()).toBe('one\ntwo\n');
  expect([sends, ends]).toEqual([1, []]);
});

it('the live log of a build is at the controller, and there is none where that cannot be reached', async () => {
  const asked: unknown[] = [];
  const dial = async (peer: unknown) => {
    asked.push(peer);
    throw new Error('no way');
  };
  const context = { dial, credentials: { controller: 'one' } } as unknown as WorkerContext;
  expect(await openLogStream(context, 'lease')).toBeUndefined();
  expect(asked).toEqual(['one']);
});

it('has the times of its lines, also of those that were not sent', async () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const log = new BuildLog(Promise.resolve(undefined));
  for (const text of ['one', 'two', 'three']) {
    log.line(text);
    vi.advanceTimersByTime(700);
  }
  expect(log.times.text(99)).toBe('1+0 2+1400');
  vi.useRealTimers();
  expect(Buffer.from(await log.end()).toString()).toBe('one\ntwo\nthree\n');
});
