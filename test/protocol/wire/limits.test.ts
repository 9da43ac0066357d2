import { describe } from 'vitest';
import * as wire from '../../../src/protocol/wire/messages.ts';
import { peerVersionSchema } from '../../../src/protocol/wire/peer-version.ts';
import { progressSchema } from '../../../src/protocol/wire/progress.ts';
import { runSummarySchema } from '../../../src/protocol/wire/runs.ts';
import { cidOf, testKey } from '../../support/documents.ts';
import { type Bound, by, holds, list, text } from '../taken.ts';

const id = 'ab'.repeat(32);
const peer = testKey('worker').id;
const addr = '/ip4/192.0.2.1/tcp/1';
const offer = { offer: 'o', request: 'r', publisher: 'p', job: '{}' };
const verdict = { job: cidOf('job'), request: id, level: 'agreed', artifact: null };
const summary = {
  run: id,
  job: cidOf('job'),
  name: 'app',
  repo: 'r',
  ref: 'r',
  commit: 'c',
  state: 's',
  level: null,
  artifact: null,
  submittedAt: 0,
  round: 1,
  policy: { agree: 2, of: 3, cosign: false },
};
const open = { sealed: 0, building: [], connected: 0, eligible: 0 };
const letters = (n: number): string => [...String(n)].map((digit) => 'abcdefghij'[Number(digit)]).join('');
const revocations = (over: object) => ({ charters: [], revocations: [], ...over });
const backlog = (over: object) => ({ kind: 'backlog', charter: 'c', offers: [], revocations: 0, ...over });

const bounds: Bound[] = [
  [
    'characters of a witness’s line',
    by(wire.feedUpSchema, (n) => ({ kind: 'witness', size: 1, line: text(n) })),
    400,
  ],
  [
    'answers of a trusted worker',
    by(wire.cosignUpSchema, (n) => ({ kind: 'answered', answers: list(n, { signature: 's' }) })),
    32,
  ],
  ['drafts for one', by(wire.cosignDownSchema, (n) => ({ kind: 'answers', bundles: list(n, 'b') })), 32],
  [
    'addresses of a controller',
    by(wire.idpUpSchema, (n) => ({ kind: 'charter', charter: 'c', addrs: list(n, addr) })),
    16,
  ],
  [
    'kinds of documents of a peer',
    by(peerVersionSchema, (n) => ({
      program: '1.0.0',
      reads: Object.fromEntries(list(n, (at) => [`kind ${letters(at)}`, 2])),
    })),
    64,
  ],
  ['version of a document', by(peerVersionSchema, (n) => ({ program: '1.0.0', reads: { job: n } })), 1_000],
  [
    'hashes of a proof',
    by(wire.apiDownSchema, (n) => ({ kind: 'inclusion', leaf: 'l', proof: list(n, id) })),
    110,
  ],
  [
    'grants under a checkpoint',
    by(wire.apiDownSchema, (n) => ({ kind: 'checkpoint', note: 'n', proof: [], grants: list(n, 'g') })),
    64,
  ],
  [
    'mirrors of an artifact',
    by(wire.verdictNoticeSchema, (n) => ({ ...verdict, mirrors: list(n, peer) })),
    2,
  ],
  ['full keys', by(wire.apiDownSchema, (n) => ({ kind: 'jobs', jobs: [], full: list(n, peer) })), 9],
  ['ids that are asked for', by(wire.revocationsUpSchema, (n) => ({ kind: 'ask', ids: list(n, id) })), 100],
  [
    'leases of a worker',
    by(wire.revocationsDownSchema, (n) => ({ kind: 'held', charter: 'c', leases: list(n, { lease: 'l' }) })),
    256,
  ],
  [
    'workers that have a tree',
    by(wire.pinUpSchema, (n) => ({
      kind: 'pin',
      run: id,
      tree: cidOf('a'),
      maxBytes: 1,
      from: list(n, { id: peer, addrs: [] }),
    })),
    8,
  ],
  [
    'addresses of one',
    by(wire.pinUpSchema, (n) => ({
      kind: 'pin',
      run: id,
      tree: cidOf('a'),
      maxBytes: 1,
      from: [{ id: peer, addrs: list(n, addr) }],
    })),
    8,
  ],
  [
    'operators that take no slot',
    by(runSummarySchema, (n) => ({
      ...summary,
      open: { ...open, declined: list(n, { operator: 'ada', reason: 'r' }) },
    })),
    16,
  ],
  ['characters of a progress', by(progressSchema, (n) => ({ kind: 'reopened', reason: text(n) })), 16 * 1024],
  [
    'items of a progress',
    by(progressSchema, (n) => ({ kind: 'failed', round: 1, by: list(n, 'a') })),
    10_000,
  ],
  ['offers of a feed', by(wire.feedOffersSchema, (n) => list(n, offer)), 100],
  ['verdicts of a feed', by(wire.feedVerdictsSchema, (n) => list(n, verdict)), 100],
  ['open requests', by(wire.feedDownSchema, (n) => backlog({ offers: list(n, offer) })), 1_000],
  ['addresses of a feed', by(wire.feedDownSchema, (n) => backlog({ feed: list(n, 'https://a.example') })), 4],
  [
    'revocations of a page',
    by(wire.revocationListSchema, (n) => revocations({ revocations: list(n, 'r') })),
    1_000,
  ],
  ['charters of a page', by(wire.revocationListSchema, (n) => revocations({ charters: list(n, 'c') })), 64],
  [
    'evidence of two stories',
    by(wire.revocationListSchema, (n) => revocations({ equivocations: list(n, 'e') })),
    32,
  ],
  [
    'leaves of a message',
    by(wire.apiDownSchema, (n) => ({ kind: 'leaves', from: 0, size: 0, leaves: list(n, 'l') })),
    10_000,
  ],
];

describe('a message has at most so many', () => holds(bounds));
