import { describe, expect, it } from 'vitest';
import { toUtf8 } from '../../../src/protocol/base/text.ts';
import type { RevocationBook } from '../../../src/protocol/sessions/revocation-book.ts';
import { topics } from '../../../src/protocol/wire/protocols.ts';
import type { WorkerPorts } from '../../../src/worker/sessions/ports.ts';
import { RevocationFeed } from '../../../src/worker/sessions/revocation-feed.ts';
import { honest, WitnessBench } from '../../protocol/sessions/log-bench.ts';
import { project } from '../../support/project.ts';

const none = { charters: [], revocations: [] };

/** A feed whose book learns `full`, and how often it dials. */
function feedOf({ full = [] as string[], closing = false } = {}) {
  const controller = { id: 'controller', addrs: [] };
  const told: string[] = [];
  let dials = 0;
  const ports = {
    credentials: { membership: { project, controllers: [controller] }, controller, charter: {} },
    clock: { now: () => 0, monotonic: () => 0, closing },
    revocations: {
      equivocations: [],
      revoked: [],
      learn: async () => ({ fresh: [], found: [], refused: [], full }),
    } as unknown as RevocationBook,
    dial: async () => {
      dials++;
      throw new Error('nobody is there');
    },
    tell: (level: string, kind: string) => void told.push(`${level} ${kind}`),
  } as unknown as WorkerPorts;
  return { feed: new RevocationFeed(ports), told, dials: () => dials };
}

describe('revocations', () => {
  it('by a key of which no more are taken are told once for each key', async () => {
    const { feed, told } = feedOf({ full: ['key', 'other'] });
    await feed.learn(none);
    await feed.learn(none);
    expect(told).toHaveLength(2);
    expect(new Set(told).size).toBe(1);
    expect(told[0]).toContain('revocations-full');
  });

  it('are asked for where the controller has more than it told, until it answers', async () => {
    const bench = await WitnessBench.open(honest());
    bench.answer = async () => ({ kind: 'revocations', ...none });
    const heard = async (count: number) => {
      await bench.feed.heard(count);
      return bench.asked.length;
    };
    expect([await heard(0), await heard(2), await heard(2), await heard(1), await heard(3)]).toEqual([
      ...[0, 1, 1, 1, 2],
    ]);
    const failing = feedOf();
    for (let n = 0; n < 2; n++) await failing.feed.heard(1);
    expect([failing.dials(), failing.told]).toEqual([2, ['warn revocation', 'warn revocation']]);
    const closing = feedOf({ closing: true });
    await closing.feed.heard(1);
    expect(closing.told).toEqual([]);
  });
});

describe('gossiped evidence', () => {
  it('is looked at three times a minute of one author, and thirty times of all', async () => {
    const bench = await WitnessBench.open(honest());
    bench.feed.start(() => true);
    const accepts = bench.accepts.get(topics.equivocations(project));
    const judged = (author: string) => accepts?.(author, toUtf8('no message'));
    const three = async (author: string) => [
      await judged(author),
      await judged(author),
      await judged(author),
    ];
    for (let n = 0; n < 9; n++) expect(await three(`author ${n}`)).toEqual([false, false, false]);
    // A fourth of one takes no turn of another.
    expect(await judged('author 0')).toBe('ignore');
    expect(await three('author 9')).toEqual([false, false, false]);
    expect(await judged('author 10')).toBe('ignore');
    bench.now += 59_999;
    expect(await judged('author 10')).toBe('ignore');
    bench.now += 1;
    expect(await three('author 0')).toEqual([false, false, false]);
    expect(await judged('author 0')).toBe('ignore');
  });
});
