import { describe, expect, it } from 'vitest';
import { limits } from '../../../src/protocol/base/limits.ts';
import { BuildLog } from '../../../src/worker/node/build-log.ts';
import { workerNodeLimits } from '../../../src/worker/node/limits.ts';
import { withLimits } from '../../support/with-limits.ts';

const writes = 400_000;
const mib = (bytes: number): number => bytes / 2 ** 20;

/** Growth of this process while it keeps every byte that a build writes one at a time, as a pipe hands it over. */
function growth(keep: (chunk: Uint8Array) => void): number {
  const before = process.memoryUsage().rss;
  for (let n = 0; n < writes; n++) keep(new Uint8Array([97]));
  return mib(process.memoryUsage().rss - before);
}

describe('a build that writes its log in single bytes', () => {
  it('takes the memory of what it wrote, whether the controller reads or not', async () => {
    withLimits(workerNodeLimits, { logEndMs: 50 });
    const gone = new BuildLog(Promise.resolve(undefined));
    expect(growth((chunk) => gone.write(chunk))).toBeLessThan(60);
    expect((await gone.end()).length).toBe(writes);
    const stuck = new BuildLog(
      Promise.resolve({
        send: () => new Promise<void>(() => {}),
        end: async () => {},
        close: async () => {},
      }),
    );
    expect(growth((chunk) => stuck.write(chunk))).toBeLessThan(60);
    expect((await stuck.end()).length).toBe(writes);
  });

  it('control: kept piece by piece, a fortieth of what a log may be takes a hundred times its size', () => {
    const kept: Uint8Array[] = [];
    expect(growth((chunk) => kept.push(chunk))).toBeGreaterThan(60);
    expect(kept.length).toBeLessThan(limits.logBytesMax / 40);
  });
});

describe('the log of a build', () => {
  it('is sent whole and in order, many pieces in one message', async () => {
    const sent: Uint8Array[] = [];
    let closed = false;
    const log = new BuildLog(
      Promise.resolve({
        send: async (bytes) => {
          sent.push(bytes.slice());
          await new Promise((resolve) => setTimeout(resolve, 1));
        },
        end: async () => {
          closed = true;
        },
        close: async () => {},
      }),
    );
    const lines = Array.from({ length: 20_000 }, (_, n) => `line ${n}`);
    for (const line of lines) log.line(line);
    const kept = Buffer.from(await log.end()).toString();
    expect(kept).toBe(`${lines.join('\n')}\n`);
    expect(Buffer.concat(sent).toString()).toBe(kept);
    expect(sent.length).toBeLessThan(20);
    expect(closed).toBe(true);
  });

  it('ends at its limit and says so; what a controller does not take in time is left out and counted', async () => {
    let free: () => void = () => {};
    const first = new Promise<void>((resolve) => {
      free = resolve;
    });
    const sent: Uint8Array[] = [];
    const log = new BuildLog(
      Promise.resolve({
        send: async (bytes) => {
          await first;
          sent.push(bytes.slice());
        },
        end: async () => {},
        close: async () => {},
      }),
    );
    for (let n = 0; n < limits.logBytesMax / 65_536 + 1; n++) log.write(Buffer.alloc(65_536, 'x'));
    free();
    const kept = Buffer.from(await log.end());
    expect(kept.length).toBeLessThan(limits.logBytesMax + 100);
    expect(kept.toString().endsWith('the rest is left out]\n')).toBe(true);
    const live = Buffer.concat(sent).toString();
    expect(live.length).toBeLessThan(2 * 2 ** 20);
    expect(live).toMatch(/\d{7,} bytes are left out here/);
  });
});
