import { expect, it } from 'vitest';
import type { GrantRenewal } from '../../../src/core/sessions/worker/grant-renewal.ts';
import type { LogWitness } from '../../../src/core/sessions/worker/log-witness.ts';
import { OfferFeed } from '../../../src/core/sessions/worker/offer-feed.ts';
import type { WorkerPorts } from '../../../src/core/sessions/worker/ports.ts';
import type { RevocationFeed } from '../../../src/core/sessions/worker/revocation-feed.ts';
import { fromUtf8 } from '../../../src/core/text.ts';
import { encodeMessage } from '../../../src/core/wire/messages.ts';

it('a worker signs each round that a checkpoint is put before it in, and what a feed answer shows once', async () => {
  const round = { kind: 'checkpoint', note: 'the log of 8' };
  const answer = {
    kind: 'backlog',
    charter: 'a.b.c',
    offers: [],
    revocations: 0,
    checkpoint: 'the log of 8',
  };
  const shown: object[] = [answer, answer, round, answer, round];
  const posted: { kind: string; size?: number }[] = [];
  let closing = false;
  const over = Promise.withResolvers<void>();
  const channel = {
    ...{ peer: 'controller', closed: false },
    send: async (message: Uint8Array) => void posted.push(JSON.parse(fromUtf8(message))),
    receive: async () => {
      const next = shown.shift();
      if (next !== undefined) return encodeMessage(next);
      closing = true;
      over.resolve();
      return undefined;
    },
    close: async () => {},
    abort: () => {},
  };
  const ports = {
    credentials: {
      ...{ membership: { project: 'p', controllers: [{ id: 'controller', addrs: [] }] } },
      ...{ charter: { controllers: [] }, grant: { id: 'g', raw: 'a.b.c' } },
      ...{ learnCharter: async () => {}, learnFeed: async () => {}, learnAddress: async () => {} },
    },
    clock: {
      ...{ now: () => 0, monotonic: () => 0, after: () => () => {}, onClosing: () => () => {} },
      get closing() {
        return closing;
      },
    },
    ...{ lending: { capabilities: {} }, tell: () => {}, subscribe: () => {}, dial: async () => channel },
    findMembers: async () => [],
    findPeer: async () => [],
  } as unknown as WorkerPorts;
  const feed = new OfferFeed(
    ports,
    { renewDue: async () => {} } as unknown as GrantRenewal,
    { quietMs: 1_000_000, everyMs: 1_000_000 } as never,
    {
      revocations: { start: () => {}, heard: async () => {} } as unknown as RevocationFeed,
      witness: {
        start: () => {},
        witness: async (_note: string, signed: (size: number, line: string) => void) => signed(8, 'line'),
      } as unknown as LogWitness,
    },
    { onVerdict: () => {}, pass: () => {} },
  );
  feed.start();
  await over.promise;
  await new Promise(setImmediate);
  expect(posted.filter(({ kind }) => kind === 'witness')).toHaveLength(3);
});
