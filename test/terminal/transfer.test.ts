import { PassThrough } from 'node:stream';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { type NodeEvent, teller } from '../../src/node/node-events.ts';
import { tellTransfer } from '../../src/node/tell-transfer.ts';
import { eventPrinter } from '../../src/terminal/node-events.ts';
import { Output, type Sink } from '../../src/terminal/output.ts';
import { TransferRow } from '../../src/terminal/transfer-row.ts';

const MiB = 1024 * 1024;

/** A terminal or a pipe; `has` ends when it was given that text. */
function sink(terminal?: { columns: number; rows: number }) {
  const stream: Sink = new PassThrough();
  let text = '';
  stream.on('data', (chunk) => {
    text += chunk;
    stream.emit('more');
  });
  const has = async (wanted: RegExp): Promise<string> => {
    while (!wanted.test(text)) await new Promise((resolve) => stream.once('more', resolve));
    return text;
  };
  return Object.assign(stream, { isTTY: terminal !== undefined, ...terminal, has });
}
const terminal = { columns: 120, rows: 20 };
const output = (out: Sink, json = false): Output => new Output(out, sink(), { json, colour: false });

describe('a transfer of a command', () => {
  it('is a row of a terminal, changed in place', async () => {
    const out = sink(terminal);
    const row = new TransferRow(output(out));
    row.set('fetching from 2 peers', MiB, 4 * MiB);
    row.set('fetching from 2 peers', 2 * MiB, 4 * MiB);
    row.end();
    expect(await out.has(/2 MiB/)).toContain(
      'fetching from 2 peers: 1 MiB of 4 MiB\n\u001b[1A\u001b[Jfetching from 2 peers: 2 MiB of 4 MiB\n',
    );
  });

  it('is a line at its start and one from time to time elsewhere, also while nothing comes', async () => {
    const out = sink();
    const row = new TransferRow(output(out), { everyMs: 1 });
    row.set('looking for it');
    row.set('fetching from 2 peers', MiB);
    const text = await out.has(/(fetching from 2 peers: 1 MiB.*\n){3}/);
    row.end();
    expect(text).toMatch(/^looking for it\nfetching from 2 peers: 1 MiB\n/);
    expect(text).not.toContain('\u001b');
  });

  it('shows how long a step takes that counts no bytes', async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const [screen, pipe] = [sink(terminal), sink()];
    const rows = [screen, pipe].map((out) => new TransferRow(output(out), { everyMs: 10_000 }));
    for (const row of rows) row.set('looking for it');
    await vi.advanceTimersByTimeAsync(21_000);
    for (const row of rows) row.end();
    expect(await pipe.has(/for 20 s/)).toBe(
      'looking for it\nlooking for it, for 10 s\nlooking for it, for 20 s\n',
    );
    expect(await screen.has(/for 21 s/)).toContain('looking for it, for 3.0 s');
  });

  it('is events with --json', async () => {
    const out = sink();
    const row = new TransferRow(output(out, true), { everyMs: 1 });
    row.set('looking for it');
    row.set('fetching', MiB, 4 * MiB);
    const [looking, fetching, again] = (await out.has(/(.*\n){3}/))
      .split('\n')
      .map((line) => line && JSON.parse(line));
    row.end();
    expect(looking).toEqual({ event: 'progress', says: 'looking for it' });
    const far = { event: 'progress', says: 'fetching', bytes: MiB, total: 4 * MiB };
    expect([fetching, again]).toEqual([
      { ...far, bytesPerSecond: null },
      { ...far, bytesPerSecond: null },
    ]);
  });
});

describe('a transfer of a node', () => {
  const image = 'bafyimage';
  const transferred = async (out: Sink, json = false): Promise<void> => {
    const lines = output(out, json);
    const tell = teller(eventPrinter(lines, { service: 'worker' }));
    await tellTransfer(tell, { verb: 'fetching', image }, async (transfer) => {
      transfer.progress(MiB, 4 * MiB);
      lines.say('a line of something else');
      tell('info', 'other', 'an event');
    });
  };

  it('is a row below the lines of a terminal, and a line when it has ended', async () => {
    const out = sink(terminal);
    await transferred(out);
    const text = await out.has(/done/);
    // The row is drawn again below each line.
    const redrawn = text.split('\u001b[1A\u001b[J').map((part) => part.replace(/^\d\S+ /, ''));
    expect(redrawn.slice(0, 3)).toEqual([
      '\u001b[Jfetching the image bafyimage: 0 B\n',
      'a line of something else\nfetching the image bafyimage: 0 B\n',
      'an event\nfetching the image bafyimage: 0 B\n',
    ]);
    expect(text).toMatch(/done fetching the image bafyimage: 1 MiB of 4 MiB\n$/);
  });

  it('is a line at its start and at its end elsewhere, and events with --json', async () => {
    const plain = sink();
    await transferred(plain);
    expect((await plain.has(/done/)).split('\n').map((line) => line.replace(/^\d\S+Z /, ''))).toEqual([
      'info  transfer: fetching the image bafyimage: 0 B',
      'a line of something else',
      'info  other: an event',
      'info  transfer: done fetching the image bafyimage: 1 MiB of 4 MiB',
      '',
    ]);
    const json = sink();
    await transferred(json, true);
    const events = (await json.has(/done/))
      .split('\n')
      .flatMap((line) => (line === '' ? [] : JSON.parse(line)));
    expect(events.map(({ event, data }) => [event, data?.state, data?.bytes])).toEqual([
      ['transfer', 'running', 0],
      ['other', undefined, undefined],
      ['transfer', 'done', MiB],
    ]);
  });

  it('says so when it was stopped, and keeps its error', async () => {
    const events: NodeEvent[] = [];
    const failing = tellTransfer(
      teller((event) => events.push(event)),
      { verb: 'fetching', image },
      async () => {
        throw new Error('no peer');
      },
    );
    await expect(failing).rejects.toThrow('no peer');
    expect(events.map(({ data }) => data?.state)).toEqual(['running', 'stopped']);
  });
});
