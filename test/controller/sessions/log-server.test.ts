import { describe, expect, it } from 'vitest';
import { LogServer } from '../../../src/controller/sessions/log-server.ts';
import type { ControllerPorts } from '../../../src/controller/sessions/ports.ts';
import { limits } from '../../../src/protocol/base/limits.ts';
import { limitNote, notReceivedNote } from '../../../src/protocol/base/log-notes.ts';
import type { Admission } from '../../../src/protocol/sessions/admission.ts';
import { sessionTimes } from '../../../src/protocol/sessions/limits.ts';
import type { Channel, PeerAddress } from '../../../src/protocol/sessions/ports.ts';
import { encodeMessage } from '../../../src/protocol/wire/messages.ts';
import { openLog } from '../../../src/worker/sessions/log-client.ts';

const lease = 'ab'.repeat(32);
const worker = 'the holder';

/**
 * A log server with one lease, which is live or whose receipt was recorded `recordedMs` ago, and the stream of its holder, who
 * sends what `send` is called with.
 */
async function serving({
  recordedMs,
  by = worker,
  before = [],
}: {
  recordedMs?: number;
  by?: string;
  /** Text that is stored for the lease. */
  before?: string[];
} = {}) {
  const isLive = recordedMs === undefined;
  const run = {
    rounds: [{ slots: isLive ? [{ kind: 'leased', live: { id: lease, worker } }] : [] }],
    trusted: { kind: 'waits' },
    history: [{ at: 0, progress: { kind: 'delivered', worker, round: 1, slot: 0 } }],
  };
  const stored: string[] = [];
  const logFiles = {
    create: async () => ({ write: (text: string) => void stored.push(text), async end() {} }),
    async *read() {
      yield* before;
    },
  };
  const index = {
    receiptOf: () => (isLive ? undefined : { run, recorded: { worker, round: 1, slot: 0 } }),
  };
  const leases = new Map(isLive ? [[lease, 'run']] : []);
  const machine = { state: { runs: new Map([['run', run]]), leases, index } };
  const clock = { now: () => recordedMs, steady: 0, monotonic: () => clock.steady };
  const ports = { machine, logFiles, clock } as unknown as ControllerPorts;
  const admission = { admit: () => async () => {} } as unknown as Admission;
  const server = new LogServer(ports, admission);
  const turn = () => new Promise((resolve) => setTimeout(resolve, 0));
  const open = () => {
    const waiting: (Uint8Array | undefined)[] = [encodeMessage({ lease })];
    let arrived: () => void = () => {};
    const channel = {
      peer: by,
      receive: async () => {
        while (waiting.length === 0) await new Promise<void>((resolve) => (arrived = resolve));
        return waiting.shift();
      },
    } as unknown as Channel;
    const ended = server.served.session(channel);
    // A session that is refused is looked at later.
    ended.catch(() => {});
    const put = async (message: Uint8Array | undefined) => {
      waiting.push(message);
      arrived();
      await turn();
    };
    return { ended, put, send: (text: string | Uint8Array) => put(Buffer.from(text)) };
  };
  const stream = open();
  await turn();
  return { server, stored, open, clock, ...stream };
}

it('follower that joins in the middle has each line once, in order, without colours', async () => {
  const { server, stored, ended, put, send } = await serving();
  const line = (n: number) => `\u001b[32mline\u001b[0m ${n} ä`;
  const text = Buffer.from(Array.from({ length: 3_000 }, (_, n) => `${line(n)}\n`).join(''));
  const heard = ['', ''];
  // Pieces end anywhere: within a line, a colour, a character.
  const pieces = [0, 1, 2, 3, 4].map((n) => text.subarray(n * 13_337, (n + 1) * 13_337));
  for (const [n, piece] of [...pieces, text.subarray(5 * 13_337)].entries()) {
    if (n < 2) server.follow(lease, (more) => (heard[n] += more));
    await send(piece);
  }
  await put(undefined);
  await ended;
  const all = Array.from({ length: 3_000 }, (_, n) => `line ${n} ä\n`).join('');
  expect(heard).toEqual([all, all]);
  expect(stored.join('')).toBe(text.toString());
  expect(server.isLive(lease)).toBe(false);
});

it('says when lines came while they come, by its own clock', async () => {
  const { server, clock, ended, put, send } = await serving();
  expect([...(server.liveTimes(lease) ?? [])]).toEqual([]);
  for (const [ms, text] of [
    [500, 'one\ntwo\n'],
    [2_500, 'thr'],
    [4_500, 'ee\nfour\n'],
    [4_600, 'five\n'],
  ] as const) {
    clock.steady = ms;
    await send(text);
  }
  expect([...(server.liveTimes(lease) ?? [])]).toEqual([
    [1, 500],
    [3, 2_500],
    [4, 4_500],
  ]);
  await put(undefined);
  await ended;
  expect(server.liveTimes(lease)).toBeUndefined();
});

it('follower that joins after more than what is kept has the whole lines at the end', async () => {
  const { server, ended, put, send } = await serving();
  for (let n = 0; n < 20; n += 1) await send(`${`\u001b[1mx${n}\u001b[0m`.padEnd(99, 'y')}\n`.repeat(200));
  let heard = '';
  server.follow(lease, (text) => (heard += text));
  expect(heard.length).toBeGreaterThan(200_000);
  expect(heard).toMatch(/^(?:x\d+y+\n)+$/);
  expect(heard.endsWith(`${'x19'.padEnd(91, 'y')}\n`)).toBe(true);
  await send('');
  await put(undefined);
  await ended;
});

it('a log that is cut within a line, as of a build that was killed, ends with what came of it, and says so', async () => {
  const { stored, ended, put, send } = await serving();
  await send('one\ntw');
  await send(Buffer.from('o ä').subarray(0, 3));
  await put(undefined);
  await ended;
  expect(stored.join('')).toMatch(/^one\ntwo .?\n\[quorate: the rest of the log was not received\]\n$/);
});

it('logs of two builds on one stream stay apart', async () => {
  const { stored, ended, put, send } = await serving();
  await send('first, with an end that is missing');
  await send('');
  await put(encodeMessage({ lease }));
  await send('second\n');
  await send('');
  await put(undefined);
  await ended;
  expect(stored).toEqual(['first, with an end that is missing\n', 'second\n']);
});

describe('a log whose first message is read after the receipt', () => {
  const refused = { code: 'LOG_NO_LEASE' };

  it('is taken once, from who held the lease', async () => {
    const { server, stored, ended, put, send } = await serving({ recordedMs: 2_000 });
    expect(server.isLive(lease)).toBe(true);
    expect(server.mayCome(lease)).toBe(false);
    await send('late\n');
    await send('');
    await put(encodeMessage({ lease }));
    await expect(ended).rejects.toMatchObject(refused);
    expect(stored).toEqual(['late\n']);

    const other = await serving({ recordedMs: 2_000, by: 'somebody else' });
    await expect(other.ended).rejects.toMatchObject(refused);
    expect(other.server.mayCome(lease)).toBe(true);
  });

  it('is taken once also where two streams bring it at the same time', async () => {
    const { stored, ended, put, open } = await serving({ recordedMs: 2_000 });
    const second = open();
    await expect(second.ended).rejects.toMatchObject(refused);
    await put(Buffer.from('first\n'));
    await put(new Uint8Array());
    await put(undefined);
    await ended;
    expect(stored).toEqual(['first\n']);
  });

  it('is not taken where one of before this start is stored', async () => {
    const { ended, stored } = await serving({ recordedMs: 2_000, before: ['', 'before\n'] });
    await expect(ended).rejects.toMatchObject(refused);
    expect(stored).toEqual([]);
    const { server } = await serving({ recordedMs: 2_000, before: [''] });
    expect(server.isLive(lease)).toBe(true);
  });

  it.each([
    [sessionTimes.logLateMs - 1, true],
    [sessionTimes.logLateMs, false],
  ])('may come within its time: %i ms', async (recordedMs, may) => {
    const { ended, server } = await serving({ recordedMs, by: 'somebody else' });
    await expect(ended).rejects.toMatchObject(refused);
    expect(server.mayCome(lease)).toBe(may);
  });

  it('is not taken when others may have been read in the meantime', async () => {
    const { ended, server } = await serving({ recordedMs: 61_000 });
    await expect(ended).rejects.toMatchObject(refused);
    expect(server.mayCome(lease)).toBe(false);
  });
});

it('the part of a log over the limit is left out, and the log says so', async () => {
  const { stored, ended, put, send } = await serving();
  const flood = 'a line that is harmless\n'.repeat(10_000);
  for (let n = 0; n < 80; n += 1) await send(flood);
  await put(undefined);
  await ended;
  const text = stored.join('');
  expect(text.length).toBeLessThan(16 * 2 ** 20 + flood.length + 100);
  expect(text.endsWith(`harmless\n${limitNote}\n`)).toBe(true);
});

it.each([
  ['one byte less than what is kept', 1, `${notReceivedNote}\n`],
  ['as much as is kept', 0, `${limitNote}\n`],
])('a log that is cut after %s says so', async (_what, less, last) => {
  const { stored, ended, put, send } = await serving();
  const line = `${'x'.repeat(1023)}\n`;
  const rest = limits.logBytesMax - less;
  await send(line.repeat(rest >> 10));
  await send('y'.repeat(rest & 1023));
  await put(undefined);
  await ended;
  const text = stored.join('');
  expect([text.length - last.length, text.endsWith(last)]).toEqual([rest + (rest & 1023 ? 1 : 0), true]);
});

it('a worker ends a log by an empty message, also on a stream that is not used again', async () => {
  const sent: number[] = [];
  const channel = {
    send: async (message: Uint8Array) => void sent.push(message.length),
    close: async () => void sent.push(-1),
  } as unknown as Channel;
  const log = await openLog(async () => channel, {} as PeerAddress, lease);
  await log.send(Buffer.from('one\n'));
  await log.end();
  expect(sent.slice(1)).toEqual([4, 0, -1]);
});
