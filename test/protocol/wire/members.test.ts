import { describe, expect, it } from 'vitest';
import * as messages from '../../../src/protocol/wire/messages.ts';
import { peerVersionSchema } from '../../../src/protocol/wire/peer-version.ts';
import { progressSchema } from '../../../src/protocol/wire/progress.ts';
import { runSummarySchema } from '../../../src/protocol/wire/runs.ts';
import { kinds } from '../../fuzz/targets/wire.ts';
import { testKey } from '../../support/documents.ts';
import { type Bound, by, holds, list, text } from '../taken.ts';

const id = 'ab'.repeat(32);
const peer = testKey('worker').id;

/** A valid message of that name and kind. */
const valid = (name: string, kind?: string): object => {
  const [, , some = []] = kinds.find(([known]) => known === name) ?? [];
  const found = some.find((one) => kind === undefined || ('kind' in one && one.kind === kind));
  if (found === undefined) throw new Error(`test/fuzz has no ${kind} of ${name}`);
  return found;
};
const [notice, verdict] = [valid('offer'), valid('verdict')];
const summary = { ...Object.entries(valid('api-down', 'job')).find(([key]) => key === 'summary')?.[1] };
const open = { sealed: 0, building: [], connected: 0, eligible: 0, declined: [] };

const ofMessages: Bound[] = [
  [
    'addresses of a feed',
    by(messages.apiDownSchema, (n) => ({ ...valid('api-down', 'charter'), feed: list(n, 'http://a') })),
    4,
  ],
  [
    'offers of a backlog',
    by(messages.feedDownSchema, (n) => ({ ...valid('feed-down', 'backlog'), offers: list(n, notice) })),
    1_000,
  ],
  ['characters of a checkpoint', by(messages.checkpointNoticeSchema, (n) => ({ note: text(n) })), 8_192],
  ['offers by HTTP', by(messages.feedOffersSchema, (n) => list(n, notice)), 100],
  ['verdicts by HTTP', by(messages.feedVerdictsSchema, (n) => list(n, verdict)), 100],
  ['mirrors', by(messages.verdictNoticeSchema, (n) => ({ ...verdict, mirrors: list(n, peer) })), 2],
  [
    'charters with revocations',
    by(messages.revocationListSchema, (n) => ({ charters: list(n, 'a'), revocations: [] })),
    64,
  ],
  [
    'revocations',
    by(messages.revocationListSchema, (n) => ({ charters: [], revocations: list(n, 'a') })),
    1_000,
  ],
  [
    'evidence with revocations',
    by(messages.revocationListSchema, (n) => ({
      charters: [],
      revocations: [],
      equivocations: list(n, 'a'),
    })),
    32,
  ],
  [
    'characters of evidence',
    by(messages.equivocationNoticeSchema, (n) => ({ equivocation: text(n) })),
    64 * 1024,
  ],
  [
    'characters of a line of a witness',
    by(messages.feedUpSchema, (n) => ({ kind: 'witness', size: 1, line: text(n) })),
    400,
  ],
  [
    'characters of one that co-signs',
    by(messages.cosignUpSchema, (n) => ({ kind: 'answered', witness: text(n), answers: [] })),
    400,
  ],
  [
    'drafts of answers',
    by(messages.cosignDownSchema, (n) => ({ kind: 'answers', bundles: list(n, 'a') })),
    32,
  ],
  [
    'answers',
    by(messages.cosignUpSchema, (n) => ({ kind: 'answered', answers: list(n, { signature: 'a' }) })),
    32,
  ],
  [
    'leaves',
    by(messages.apiDownSchema, (n) => ({ kind: 'leaves', from: 0, size: n, leaves: list(n, 'a') })),
    10_000,
  ],
  [
    'leaves of a member',
    by(messages.revocationsDownSchema, (n) => ({ kind: 'leaves', leaves: list(n, 'a') })),
    10_000,
  ],
  [
    'hashes of a proof',
    by(messages.apiDownSchema, (n) => ({ kind: 'inclusion', leaf: 'a', proof: list(n, id) })),
    110,
  ],
  [
    'grants with a checkpoint',
    by(messages.apiDownSchema, (n) => ({ kind: 'checkpoint', note: 'a', proof: [], grants: list(n, 'a') })),
    64,
  ],
  [
    'evidence in words',
    by(messages.apiDownSchema, (n) => ({ kind: 'jobs', jobs: [], equivocations: list(n, 'a') })),
    32,
  ],
  [
    'keys that are full',
    by(messages.apiDownSchema, (n) => ({ kind: 'jobs', jobs: [], full: list(n, peer) })),
    9,
  ],
  [
    'jobs of a pipeline',
    by(messages.apiDownSchema, (n) => ({
      kind: 'job',
      summary,
      history: [],
      pipeline: list(n, { run: id, name: 'a', state: 'done', level: null, needs: [] }),
    })),
    100,
  ],
  [
    'characters of a job',
    by(messages.apiUpSchema, (n) => ({ kind: 'submit', request: 'a', publisher: 'a', job: text(n) })),
    64 * 1024,
  ],
  [
    'characters of a document',
    by(messages.apiUpSchema, (n) => ({ kind: 'renew', enrol: text(n) })),
    256 * 1024,
  ],
  [
    'characters of a receipt',
    by(messages.leaseUpSchema, (n) => ({ kind: 'receipt', envelope: text(n) })),
    8 * 1024 * 1024,
  ],
  [
    'characters of times of a log',
    by(messages.leaseUpSchema, (n) => ({ kind: 'receipt', envelope: 'a', times: text(n) })),
    24 * 1024,
  ],
  [
    'addresses of a controller',
    by(messages.idpUpSchema, (n) => ({
      kind: 'charter',
      charter: 'a',
      addrs: list(n, '/ip4/192.0.2.1/tcp/1'),
    })),
    16,
  ],
  [
    'revocations by their ids',
    by(messages.revocationsUpSchema, (n) => ({ kind: 'ask', ids: list(n, id) })),
    100,
  ],
  [
    'leases at a start',
    by(messages.revocationsDownSchema, (n) => ({
      kind: 'held',
      charter: 'a',
      leases: list(n, { lease: 'a' }),
    })),
    256,
  ],
  [
    'workers that have a tree',
    by(messages.pinUpSchema, (n) => ({ ...valid('pin-up'), from: list(n, { id: peer, addrs: [] }) })),
    8,
  ],
  [
    'addresses of each',
    by(messages.pinUpSchema, (n) => ({
      ...valid('pin-up'),
      from: [{ id: peer, addrs: list(n, '/ip4/192.0.2.1/tcp/1') }],
    })),
    8,
  ],
  [
    'kinds of documents',
    by(peerVersionSchema, (n) => ({
      program: '1',
      reads: Object.fromEntries(
        list(n, (index) => [`a${String.fromCharCode(97 + (index % 26), 97 + Math.floor(index / 26))}`, 1]),
      ),
    })),
    64,
  ],
  ['version of a document', by(peerVersionSchema, (n) => ({ program: '1', reads: { job: n } })), 1_000],
  [
    'operators that take no slot',
    by(runSummarySchema, (n) => ({
      ...summary,
      open: { ...open, declined: list(n, { operator: 'a', reason: 'a' }) },
    })),
    16,
  ],
  [
    'operators that build',
    by(runSummarySchema, (n) => ({ ...summary, open: { ...open, building: list(n, 'a') } })),
    16,
  ],
  [
    'trusted workers without a signature',
    by(runSummarySchema, (n) => ({ ...summary, trustedFailures: list(n, { worker: peer, says: 'a' }) })),
    4,
  ],
  [
    'witnesses that are missing',
    by(runSummarySchema, (n) => ({
      ...summary,
      missing: { operators: [], operatorsNeeded: 1, named: list(n, 'a'), namedNeeded: 1, namedMissing: [] },
    })),
    8,
  ],
  ['characters of progress', by(progressSchema, (n) => ({ kind: 'cancelled', reason: text(n) })), 16 * 1024],
  ['items of progress', by(progressSchema, (n) => ({ kind: 'failed', round: 1, by: list(n, 'a') })), 10_000],
];

describe('a message has at most so many', () => holds(ofMessages));

it('a summary tells its policy in whole numbers, none below zero', () => {
  const takes = (agree: number) =>
    runSummarySchema.safeParse({ ...summary, policy: { agree, of: agree, cosign: false } }).success;
  expect([0, 1, -1, 0.5].map(takes)).toEqual([true, true, false, false]);
});
