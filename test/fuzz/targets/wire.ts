import fc from 'fast-check';
import { limits } from '../../../src/protocol/base/limits.ts';
import { fromUtf8, toUtf8 } from '../../../src/protocol/base/text.ts';
import { encodeCanonical } from '../../../src/protocol/documents/index.ts';
import { type ErrorMessage, errorFrom, errorMessage } from '../../../src/protocol/sessions/message-stream.ts';
import {
  apiDownSchema,
  apiUpSchema,
  bundleDownSchema,
  bundleUpSchema,
  checkpointNoticeSchema,
  cosignDownSchema,
  cosignUpSchema,
  decodeMessage,
  encodeMessage,
  equivocationNoticeSchema,
  feedCharterSchema,
  feedDownSchema,
  feedOffersSchema,
  feedUpSchema,
  feedVerdictsSchema,
  idpDownSchema,
  idpUpSchema,
  leaseDownSchema,
  leaseUpSchema,
  logUpSchema,
  offerNoticeSchema,
  pinDownSchema,
  pinUpSchema,
  revocationListSchema,
  revocationsDownSchema,
  revocationsUpSchema,
  verdictNoticeSchema,
} from '../../../src/protocol/wire/messages.ts';
import { cidOf, makeJob, testKey } from '../../support/project.ts';
import { mutatedJson, mutatedText } from '../arbitraries.ts';
import { type AnyTarget, define, must } from '../target.ts';

const jws = 'e30.e30.AAAA';
const id = 'ab'.repeat(32);
const cid = cidOf('tree');
const peer = testKey('worker').id;
const notice = { offer: jws, request: jws, publisher: jws, job: fromUtf8(encodeCanonical(makeJob())) };
const verdict = { job: cid, request: id, level: 'trusted', artifact: cid };
const error = { kind: 'error', code: 'RUN_UNKNOWN', message: 'there is no such run', hint: 'quorate jobs' };
const capabilities = {
  arch: 'x86_64',
  cpus: 2,
  memoryBytes: 2 ** 30,
  diskBytes: 2 ** 30,
  tiers: ['namespace'],
};
const summary = {
  run: id,
  job: cid,
  name: 'app',
  repo: 'https://git.example/app.git',
  ref: 'main',
  commit: 'c0ffee',
  state: 'open',
  level: null,
  artifact: null,
  submittedAt: 1,
  round: 1,
  policy: { agree: 2, of: 3, cosign: true },
};

const revocations = { charters: [jws], revocations: [jws] };
const revoked = { what: 'operator', id: 'ada', since: 3, reason: 'stolen' };

type Schema = Parameters<typeof decodeMessage<unknown>>[1];

/** A kind of message, and one of each shape it may have. Messages that hold anything are read, but never sent on. */
export const kinds: [name: string, schema: Schema, valid: readonly object[], sentOn?: boolean][] = [
  ['offer', offerNoticeSchema, [notice]],
  ['verdict', verdictNoticeSchema, [verdict, { ...verdict, artifact: null }]],
  [
    'feed-up',
    feedUpSchema,
    [
      { kind: 'hello', grant: jws, capabilities },
      { kind: 'poll' },
      { kind: 'witness', size: 3, line: '\u2014 a AA==\n' },
    ],
  ],
  [
    'feed-down',
    feedDownSchema,
    [
      {
        kind: 'backlog',
        charter: jws,
        offers: [notice],
        revocations: 2,
        feed: ['http://[::1]:80'],
        more: true,
        checkpoint: 'a note',
      },
      { kind: 'checkpoint', note: 'a note' },
      error,
    ],
  ],
  ['feed-offers', feedOffersSchema, [[], [notice]]],
  ['feed-verdicts', feedVerdictsSchema, [[], [verdict]]],
  ['feed-charter', feedCharterSchema, [{ charter: jws }]],
  ['revocation-list', revocationListSchema, [revocations, { charters: [], revocations: [] }]],
  ['checkpoint', checkpointNoticeSchema, [{ note: 'a note' }]],
  ['revocations-up', revocationsUpSchema, [{ kind: 'ask' }, { kind: 'checkpoint' }]],
  [
    'revocations-down',
    revocationsDownSchema,
    [
      { kind: 'revocations', ...revocations },
      { kind: 'checkpoint', note: 'a note', equivocations: ['{}'] },
      error,
    ],
  ],
  ['equivocation-notice', equivocationNoticeSchema, [{ equivocation: '{}' }]],
  [
    'lease-up',
    leaseUpSchema,
    [
      ...[{ kind: 'claim', claim: jws, grant: jws }, { kind: 'resume', lease: jws }, { kind: 'heartbeat' }],
      ...[
        { kind: 'receipt', envelope: '{}', limit: { name: 'files', max: 2000 }, times: '1+0 2+1000' },
        { kind: 'cosigned', verdict: 'a'.repeat(64), signature: 'AA==', witness: '\u2014 a AA==' },
      ],
      { kind: 'cosign-refused', code: 'COSIGN_EVIDENCE', message: 'old' },
    ],
  ],
  [
    'lease-down',
    leaseDownSchema,
    [
      ...[{ kind: 'standby' }, { kind: 'lease', lease: jws }, { kind: 'ack', ack: jws }, { kind: 'reveal' }],
      ...[{ kind: 'release', code: 'LEASE_LOST', message: 'late' }, { kind: 'cosign', bundle: '{}' }, error],
    ],
  ],
  [
    'cosign-up',
    cosignUpSchema,
    [
      { kind: 'hello', grant: jws },
      { kind: 'heartbeat' },
      {
        kind: 'answered',
        witness: 'line',
        answers: [{ signature: 'c2ln' }, { code: 'COSIGN_ANSWERED', message: 'before' }],
      },
    ],
  ],
  ['cosign-down', cosignDownSchema, [{ kind: 'answers', bundles: ['{}'] }, error]],
  ['log-up', logUpSchema, [{ lease: id }]],
  [
    'idp-up',
    idpUpSchema,
    [
      { kind: 'charter', charter: jws, addrs: ['/ip4/192.0.2.1/tcp/4710'] },
      { kind: 'grant', enrol: jws, invite: jws, enrolled: 3, epoch: 1 },
    ],
  ],
  ['idp-down', idpDownSchema, [{ kind: 'charter', charter: jws }, { kind: 'grant', grant: jws }, error]],
  [
    'api-up',
    apiUpSchema,
    [
      ...[
        { kind: 'charter' },
        { kind: 'log', from: 0 },
        { kind: 'checkpoint', old: 0 },
        { kind: 'checkpoint', old: 2, size: 3 },
        { kind: 'inclusion', index: 0, size: 3 },
        { kind: 'enrol', enrol: jws, invite: jws },
        { kind: 'jobs' },
      ],
      ...[
        { kind: 'renew', enrol: jws },
        { kind: 'submit', request: jws, publisher: jws, job: '{}' },
      ],
      ...[
        { kind: 'show', which: id },
        { kind: 'follow', which: id },
        { kind: 'cancel', which: id, reason: 'no' },
        { kind: 'revoke', revocation: jws },
        { kind: 'equivocation', equivocation: '{}' },
      ],
      ...[{ kind: 'logs', which: id, follow: true, worker: peer, times: true }],
    ],
  ],
  [
    'api-down',
    apiDownSchema,
    [
      ...[
        { kind: 'charter', charter: jws },
        { kind: 'leaves', from: 0, size: 1, leaves: ['a'] },
        { kind: 'end' },
      ],
      ...[
        { kind: 'grant', grant: jws, charter: jws, feed: [] },
        { kind: 'accepted', run: id, job: cid },
        error,
      ],
      ...[
        { kind: 'cancelled', run: id },
        { kind: 'revoked', index: 3 },
        { kind: 'jobs', jobs: [summary, { ...summary, revoked }], equivocations: ['two logs'] },
        { kind: 'checkpoint', note: 'a note', proof: [id] },
        { kind: 'inclusion', leaf: 'a', proof: [] },
      ],
      ...[
        {
          kind: 'job',
          summary,
          history: [{ at: 1, progress: { kind: 'opened', round: 1 } }],
          pipeline: [
            { run: id, name: 'lib', state: 'done', level: 'trusted', needs: [] },
            {
              run: id,
              name: 'test',
              test: true,
              state: 'cancelled',
              level: 'agreed',
              cosigned: false,
              revoked: true,
              reason: 'no',
              needs: [{ name: 'lib', run: id, level: 'agreed' }],
            },
          ],
        },
      ],
      ...[{ kind: 'progress', at: 1, progress: { kind: 'opened' } }],
      { kind: 'output', worker: peer, operator: 'ada', slot: '1', text: 'line\n', times: '1+0' },
    ],
    false,
  ],
  [
    'pin-up',
    pinUpSchema,
    [{ kind: 'pin', run: id, tree: cid, maxBytes: 1, from: [{ id: peer, addrs: ['/ip4/127.0.0.1/tcp/1'] }] }],
  ],
  ['pin-down', pinDownSchema, [{ kind: 'pinning' }, { kind: 'pinned', tree: cid, until: 1 }, error]],
  ['bundle-up', bundleUpSchema, [{ which: cid }]],
  [
    'bundle-down',
    bundleDownSchema,
    [{ kind: 'bundle', bundle: '{}', addrs: ['/ip4/127.0.0.1/tcp/1'] }, error],
  ],
];

const isError = (value: unknown): value is ErrorMessage =>
  typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'error';

const same = (a: unknown, b: unknown): boolean => Buffer.compare(encodeMessage(a), encodeMessage(b)) === 0;

export const targets: readonly AnyTarget[] = kinds.map(([name, schema, valid, sentOn = true]) =>
  define<string>({
    name: `wire-${name}`,
    seeds: async () => valid.map((message) => fromUtf8(encodeMessage(message))),
    arbitrary: (seeds) =>
      fc.oneof({ weight: 3, arbitrary: mutatedJson(seeds) }, { weight: 1, arbitrary: mutatedText(seeds) }),
    run(text) {
      const bytes = toUtf8(text);
      must(bytes.length <= limits.bundleBytesMax, 'frames are bounded');
      const message = decodeMessage(bytes, schema, 'a message');
      if (isError(message)) {
        const told = errorMessage(errorFrom(message));
        must(same(told, message), 'an error is passed on as another');
      }
      if (!sentOn) return;
      const again = decodeMessage(encodeMessage(message), schema, 'a message');
      must(same(again, message), 'the message that was read is another when it is sent on');
    },
  }),
);
