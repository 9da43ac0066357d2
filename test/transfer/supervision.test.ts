import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { carHeader, pbCode, sectionHead } from '../../src/protocol/base/car.ts';
import { reportedError } from '../../src/protocol/base/errors.ts';
import { fetchTree, type Provider } from '../../src/transfer/index.ts';
import { block, car, cid, cidOf, ending, Far, named, provider, sink } from './far.ts';

/** A clock that the test sets, for the supervision of a fetch and its sessions. */
function clock() {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
  onTestFinished(() => void vi.useRealTimers());
}

/** A stream whose other end reads requests and answers when the test says so. */
function waiting() {
  const far = new Far();
  const gate = Promise.withResolvers<void>();
  const answers = [car, ...ending];
  far.receive = async ({ signal } = {}) => {
    const aborted = new Promise((_, reject) =>
      signal?.addEventListener('abort', () => reject(signal.reason)),
    );
    await Promise.race([gate.promise, aborted]);
    return answers.shift();
  };
  return { far, answer: () => gate.resolve() };
}

/** A poll of the test runner would turn the clock. */
async function asked(far: Far): Promise<void> {
  while (far.sent.length === 0) await new Promise(setImmediate);
}

describe('a provider', () => {
  it('that sends no block for as long as it may stays; after that it is dropped', async () => {
    clock();
    const { far } = waiting();
    const ended = fetchTree(cid, sink(), [provider('a', far)], { idleMs: 1_000 }).catch((error) => error);
    await asked(far);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(far.aborted).toBeUndefined();
    await vi.advanceTimersByTimeAsync(250);
    expect(await ended).toMatchObject({ dropped: [{ peer: 'a', code: 'TRANSFER_IDLE' }] });
  });

  it('is silent for 30 seconds at most, where nothing else is said', async () => {
    clock();
    const { far, answer } = waiting();
    const ended = fetchTree(cid, sink(), [provider('a', far)]);
    await asked(far);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(far.aborted).toBeUndefined();
    answer();
    expect(await ended).toMatchObject({ blocks: 1 });

    const other = waiting();
    const failed = fetchTree(cid, sink(), [provider('b', other.far)]).catch((error) => error);
    await asked(other.far);
    await vi.advanceTimersByTimeAsync(30_500);
    expect(await failed).toMatchObject({ dropped: [{ code: 'TRANSFER_IDLE' }] });
  });

  it('is not silent before its stream is open', async () => {
    clock();
    const opened = Promise.withResolvers<void>();
    const open: Provider['open'] = async () => {
      await opened.promise;
      return new Far(car, ...ending);
    };
    const ended = fetchTree(cid, sink(), [{ peer: 'a', open }], { idleMs: 1_000 });
    await vi.advanceTimersByTimeAsync(5_000);
    opened.resolve();
    expect(await ended).toMatchObject({ blocks: 1, dropped: [] });
  });

  it('that holds up one that has nothing to do is dropped after three seconds, and not before', async () => {
    clock();
    const slow = waiting();
    const fast = provider('b', new Far(car, ...ending));
    const ended = fetchTree(cid, sink(), [provider('a', slow.far), fast]);
    await asked(slow.far);
    // The check before it is due.
    await vi.advanceTimersByTimeAsync(2_999);
    expect(slow.far.aborted).toBeUndefined();
    await vi.advanceTimersByTimeAsync(1);
    expect(await ended).toMatchObject({
      servedBy: { a: 0, b: 1 },
      dropped: [{ peer: 'a', code: 'TRANSFER_SLOW' }],
    });
  });

  it('is slow below 64 KiB a second, where the other one has sent nothing', async () => {
    clock();
    const large = new Uint8Array(3 * 65_536);
    const [whole, held] = [cidOf(large), cidOf(Buffer.from('held back'))];
    const top = named('a folder', pbCode);
    const here = sink({
      touch: (of) => (of.equals(top) ? 8 : undefined),
      read: async () => new Uint8Array(),
      links: (of) => (of.equals(top) ? [whole, held] : []),
    });
    const { far, answer } = waiting();
    const first = [carHeader([whole.bytes]), sectionHead(whole.bytes, large.length), large, ...ending];
    const later = far.receive.bind(far);
    far.receive = async (options) => first.shift() ?? later(options);
    // It opens its stream once the other one has both blocks to bring.
    const opened = Promise.withResolvers<never>();
    const idle: Provider = { peer: 'b', open: () => opened.promise };
    const ended = fetchTree(top, here, [provider('a', far), idle]).catch((error) => error);
    while (far.sent.length < 2) await new Promise(setImmediate);
    await vi.advanceTimersByTimeAsync(3_000);
    expect(far.aborted).toBeUndefined();
    await vi.advanceTimersByTimeAsync(500);
    expect(far.aborted).toMatchObject({ code: 'TRANSFER_SLOW' });
    opened.reject(reportedError('TRANSFER_INVALID', 'of another version'));
    answer();
    expect(await ended).toMatchObject({ code: 'TRANSFER_FAILED' });
  });

  it('that nobody could take over from is not slow', async () => {
    clock();
    const { far, answer } = waiting();
    const ended = fetchTree(cid, sink(), [provider('a', far)]);
    await asked(far);
    await vi.advanceTimersByTimeAsync(29_000);
    answer();
    expect(await ended).toMatchObject({ blocks: 1, bytes: block.length, dropped: [] });
  });
});
