import { z } from 'zod';
import {
  code,
  commitId,
  count,
  event,
  nodeEvent,
  ownRevocations,
  peerId,
  roleSchema,
  sha256,
  size,
  texts,
  timeMs,
  urls,
} from './parts.ts';

const project = peerId;
const listening = { id: peerId, project, addresses: texts, http: urls.optional() };

const status = z.looseObject({ says: z.string() });
const publication = z.looseObject({
  id: z.string(),
  at: timeMs,
  ref: z.string(),
  commit: commitId,
  status,
  jobs: z.array(z.looseObject({ name: z.string(), run: sha256, status: status.nullable() })),
});
const pull = z.looseObject({
  id: z.string(),
  pull: count,
  commit: commitId,
  title: z.string(),
  author: z.string(),
  decision: z.looseObject({ verdict: z.enum(['approved', 'denied']), by: z.string() }).nullable(),
});
const pulls = [z.array(pull)];

const controllerStatus = z.looseObject({
  state: z.enum(['running', 'starting', 'draining', 'stopped']),
  project,
  id: peerId,
  charter: count.nullable(),
  runs: z.looseObject({ all: count, open: count, states: z.record(z.string(), count) }),
  behind: z.array(
    z.looseObject({ worker: peerId, operator: z.string(), version: z.string().nullable(), says: z.string() }),
  ),
  rounds: z.looseObject({ slots: count, operators: count }),
  offers: count,
  leases: count,
  leaves: count,
  revocations: count,
  stopsBy: timeMs.nullable(),
  asking: z.object({ trusted: z.array(peerId), operators: count, leaves: count, shown: count }).nullable(),
  connections: z.looseObject({ open: count, max: count, refused: count, isFull: z.boolean() }).nullable(),
  fullKeys: z.array(z.string()),
  lapsed: ownRevocations,
});

const backup = [
  z.strictObject({
    folder: z.string(),
    files: count,
    bytes: size,
    events: count,
    keys: texts,
    keysLeft: texts,
    others: texts,
  }),
];
const restore = [
  z.strictObject({
    home: z.string(),
    made: timeMs,
    files: count,
    aside: z.string().nullable(),
    kept: texts,
    missing: texts,
    next: texts,
  }),
];
const check = [
  z.strictObject({
    folder: z.string(),
    role: z.enum(['controller', 'idp', 'store', 'watch']),
    backup: z.boolean(),
    whole: z.boolean(),
    files: count,
    bytes: size,
    events: count,
    blocks: count,
    findings: z.array(
      z.strictObject({
        file: z.string(),
        state: z.enum(['damaged', 'mends']),
        code,
        says: z.string(),
        hint: z.string().optional(),
      }),
    ),
  }),
];

/** Verbs of the processes that have a home. */
const ofHomes = Object.fromEntries(
  ['controller', 'idp', 'store', 'watch'].flatMap((role) =>
    Object.entries({ backup, restore, check }).map(([verb, lines]) => [`${role} ${verb}`, lines]),
  ),
);

/** Output of the services, and of the commands that steer them. */
export const serviceOutputs = {
  ...ofHomes,
  controller: [event('listening', listening), nodeEvent],
  'controller drain': [controllerStatus.extend({ event: z.literal('draining') }), event('drained', {})],
  'controller members': [
    z.strictObject({
      project,
      members: z.array(
        z.strictObject({
          key: peerId,
          operator: z.string(),
          role: roleSchema,
          state: z.enum(['member', 'revoked', 'dismissed']),
          by: peerId,
          invite: z.string(),
          since: count,
          enrolled: count,
        }),
      ),
    }),
  ],
  'controller status': [controllerStatus],
  idp: [event('listening', listening), nodeEvent],
  'idp init': [z.strictObject({ key: peerId, folder: z.string(), made: z.boolean() })],
  'idp sessions revoke': [z.strictObject({ person: z.string(), ended: z.literal(true) })],
  login: [
    z.strictObject({ url: z.url() }),
    event('code', { code: z.string(), url: z.url(), completeUrl: z.url() }),
    event('signed-in', { origin: z.url(), person: z.string(), name: z.string(), role: z.string() }),
    z.strictObject({ origin: z.url(), token: z.string() }),
  ],
  page: [event('listening', { project, http: urls, runs: count })],
  'store serve': [
    event('listening', { ...listening, quotaBytes: size, trees: count, bytes: size }),
    nodeEvent,
  ],
  up: [
    event('listening', { id: peerId, project, http: urls, source: z.string() }),
    event('ready', { operators: z.array(z.string()), trusted: z.string() }),
    nodeEvent,
  ],
  'worker page': [event('listening', { url: z.url() })],
  watch: [
    event('watching', { project, url: z.string(), http: z.string().optional() }),
    z.looseObject({ event: z.string() }),
  ],
  'watch approvals': pulls,
  'watch approve': pulls,
  'watch deny': pulls,
  'watch example': [z.strictObject({ example: z.string() })],
  'watch status': [
    z.looseObject({ url: z.string(), refs: count, publications: z.array(publication), pulls: z.array(pull) }),
  ],
} satisfies Record<string, readonly z.ZodType[]>;
