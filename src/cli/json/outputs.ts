import { z } from 'zod';
import { charterSchema } from '../../protocol/documents/identity.ts';
import { progressKinds } from '../../protocol/wire/progress.ts';
import { pipelineJobSchema, runSummarySchema } from '../../protocol/wire/runs.ts';
import { hookToldSchema, shownEntrySchema } from '../../watcher/machine/hook-ledger.ts';
import { change, comparison } from './differences.ts';
import {
  accountFields,
  cid,
  code,
  commitId,
  count,
  event,
  failure,
  floorText,
  id,
  level,
  nodeEvent,
  ownRevocations,
  peerId,
  policySchema,
  progressEvent,
  roleSchema,
  sha256,
  size,
  texts,
  tier,
  timeMs,
  verification,
  verificationFields,
} from './parts.ts';
import { serviceOutputs } from './services.ts';

/** Progress of a run, by kind. docs/run-events.md says what each means. */
const kinds = progressKinds.map((one) => one.strict());

const progress = z.union(kinds);

/** As a line of `run`: `event` is the kind; `name` and `run` where several jobs are followed. */
const lines = kinds.map((one) =>
  one.extend({
    event: one.shape.kind,
    at: timeMs,
    name: z.string().optional(),
    run: sha256.optional(),
    // With `verdict`, `cancelled` and `revoked`.
    account: z.strictObject(accountFields).optional(),
    // With `verdict`, `repeated` and `contradicted`.
    verified: z.boolean().optional(),
  }),
);

const logChunk = {
  worker: peerId,
  operator: z.string(),
  slot: z.string(),
  text: z.string(),
  times: z.string().optional(),
};

/** Of `init --from`. */
const foreign = z.strictObject({
  kind: z.enum(['github', 'woodpecker', 'gitlab']),
  jobs: count,
  findings: z.array(z.strictObject({ line: count, what: z.string(), says: z.string() })),
});

const ticket = z.strictObject({
  ticket: z.string().startsWith('quorate1.'),
  operator: z.string(),
  role: roleSchema,
  hosts: count,
  expires: count,
  charterChanged: z.boolean(),
  project: peerId,
});

const skipReason = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('ref'), ref: z.string(), patterns: z.array(z.string()) }),
  z.strictObject({ kind: z.literal('changed'), base: z.string(), patterns: z.array(z.string()) }),
  z.strictObject({ kind: z.literal('needs'), job: z.string() }),
]);
const skipped = z.strictObject({
  job: z.string(),
  instances: z.array(z.string()),
  reason: skipReason,
});

const needs = z.array(z.strictObject({ name: z.string(), level }));

/** Every line of `quorate run`. */
const runLine = z.union([
  ...lines,
  event('skipped', skipped.shape),
  event('dependencies', { files: count, fetchedBytes: size }),
  progressEvent,
  event('waiting', { code, says: z.string() }),
  event('submitted', { name: z.string(), run: sha256, job: cid, commit: commitId, needs }),
  event('kept', { name: z.string(), run: sha256 }),
  event('account', { name: z.string().optional(), run: sha256, ...accountFields }),
  event('unproven', { name: z.string().optional(), run: sha256, code, says: z.string() }),
  event('output', logChunk),
]);

const { vcs, witnesses } = charterSchema.shape;
const charterRules = {
  witnesses: witnesses.optional(),
  recipes: z.enum(['own', 'outside']),
  floor: policySchema,
  testFloor: policySchema.optional(),
  leastWorker: z.string().nullable(),
};
/** A probability, or a share of all. */
const chance = z.number().min(0).max(1);
const epoch = count;
const project = peerId;

const image = z.strictObject({
  image: cid,
  bytes: size,
  files: count,
  made: z.string(),
  of: z.string(),
  file: z.string().optional(),
});
const imageLines = [progressEvent, image.required({ file: true })];
const operatorStatus = z.looseObject({
  state: z.enum(['working', 'paused', 'draining', 'waiting', 'cut off', 'refusing']),
  reason: z.string().nullable(),
  behind: z.string().nullable(),
  log: z.string().nullable(),
  lending: z.looseObject({ tiers: z.array(tier), cpus: z.number(), memoryBytes: size, diskBytes: size }),
  builds: z.array(z.looseObject({ job: z.string(), commit: z.string(), ms: z.number() })),
  damaged: z.array(z.string()),
  leases: count,
  hosts: z.looseObject({
    allowed: z.union([z.literal('any'), z.array(z.string())]),
    pending: z.array(z.string()),
    spent: z.array(z.string()),
    traffic: z.array(
      z.looseObject({
        host: z.string(),
        addresses: z.array(z.string()),
        connections: count,
        open: count,
        receivedBytes: size,
        sentBytes: size,
      }),
    ),
  }),
});
/** Settings read from worker.toml. */
const workerFileShown = z.looseObject({ file: z.string().nullable(), tiers: z.array(tier).nullable() });
const workerAnswer = [z.strictObject({ status: operatorStatus, missed: texts })];
const steered = Object.fromEntries(
  ['allow', 'drain', 'limits', 'pause', 'resume', 'status', 'stop'].map((verb) => [
    `worker ${verb}`,
    workerAnswer,
  ]),
);
const builtFile = z.looseObject({ path: z.string(), size });
const fixed = z.strictObject({ purl: z.string(), file: z.string(), sha256, url: z.string().optional() });
const hookLines = [hookToldSchema];
const rotated = { project, epoch };
/** The ends of keys that a charter leaves out; `code`: why one is not revoked yet. */
const ended = z.array(
  z.union([
    z.strictObject({ key: peerId, since: count, index: count, keeps: ownRevocations, voids: ownRevocations }),
    z.strictObject({ key: peerId, code: z.string() }),
  ]),
);

const odds = z.strictObject({
  asked: count,
  agreedInRound: chance,
  agreed: chance,
  trusted: chance,
  trustedIfTakenOver: chance,
  noticed: chance.nullable(),
  blockedInRound: chance,
  blocked: chance,
  stalled: chance,
  lacking: z.boolean(),
  builds: z.number().nullable(),
});

/** The lines of each command with `--json`. Strict, so that tests find what is not described; the published schemas leave room for later fields. */
const jsonOutputs = {
  ...serviceOutputs,
  cancel: [z.strictObject({ cancelled: sha256, reason: z.string() })],
  policy: [
    z.strictObject({
      operators: count,
      dishonest: count,
      operatorsFrom: z.enum(['given', 'controller']),
      risk: chance,
      policies: z.array(
        z.strictObject({
          policy: policySchema,
          odds,
          dishonestMax: count,
          from: z.array(z.enum(['floor', 'test-floor', 'given', 'common'])),
        }),
      ),
      shares: z.array(z.strictObject({ share: chance, dishonest: count, odds })),
      advice: texts,
      uncovered: texts,
    }),
  ],
  'charter set': [
    z.strictObject({
      project,
      epoch,
      vcs,
      before: vcs,
      ...charterRules,
      lost: floorText,
      changed: z.boolean(),
    }),
  ],
  'charter show': [
    z.strictObject({
      project,
      name: z.string(),
      epoch,
      vcs,
      ...charterRules,
      controllers: z.array(peerId),
      trusted: z.array(peerId),
      idps: z.array(peerId),
      bootstrap: texts,
    }),
  ],
  compare: comparison,
  completion: [z.strictObject({ shell: z.enum(['bash', 'zsh', 'fish']), script: z.string() })],
  diff: comparison,
  doctor: [
    z.strictObject({
      ok: z.boolean(),
      tier: tier.nullable(),
      checks: z.array(
        z.strictObject({
          name: z.string(),
          ok: z.boolean(),
          found: z.string(),
          fix: z.string().optional(),
          tier: tier.optional(),
        }),
      ),
      tiers: z.array(z.strictObject({ tier, ok: z.boolean() })),
    }),
  ],
  export: [
    z.strictObject({ verification }),
    z.strictObject({ folder: z.string(), files: texts, commands: texts, verification }),
  ],
  fetch: [
    progressEvent,
    z.strictObject({
      artifact: cid,
      folder: z.string(),
      bytes: size,
      providers: z.array(peerId),
      controllerUsed: z.boolean(),
      verification,
    }),
    z.strictObject({
      reports: cid,
      test: z.string(),
      artifact: z.null(),
      folder: z.string(),
      bytes: size,
      verification,
    }),
  ],
  'image build': imageLines,
  'image import': imageLines,
  'image list': [
    z.strictObject({
      images: z.array(image),
      ready: z.array(z.strictObject({ image: cid, bytes: size, used: z.string() })),
    }),
  ],
  'image pull': imageLines,
  'image remove': [z.strictObject({ removed: cid })],
  init: [
    z.strictObject({
      project,
      name: z.string(),
      folder: z.string(),
      vcs,
      floor: policySchema,
      testFloor: policySchema.optional(),
      lost: floorText,
      jobFile: z.enum(['made', 'kept']),
      ignored: z.enum(['added', 'kept']),
      from: foreign.optional(),
    }),
    z.strictObject({ jobFile: z.literal('made'), from: foreign }),
  ],
  invite: [ticket, z.array(ticket)],
  jobs: [z.array(runSummarySchema.extend({ account: z.strictObject(accountFields) }))],
  join: [
    event('joined', { project, operator: z.string(), role: roleSchema }),
    event('working', { id: peerId, project, operator: z.string(), role: roleSchema, addresses: texts }),
    event('installed', {
      file: z.string(),
      home: z.string(),
      project,
      commands: z.record(z.string(), z.string()),
    }),
    z.strictObject({ unit: z.string() }),
    workerFileShown,
    nodeEvent,
  ],
  key: [z.strictObject({ key: peerId, home: z.string() })],
  lock: [
    progressEvent,
    z.strictObject({ locks: texts, files: count, open: z.literal(0) }),
    z.strictObject({ locks: texts, fixed: z.array(fixed), kept: count, written: z.boolean() }),
  ],
  'lock add': [progressEvent, z.strictObject({ added: fixed })],
  logs: [z.strictObject(logChunk)],
  'on disputed': hookLines,
  'on trusted': [...hookLines, z.array(shownEntrySchema)],
  plan: [
    z.strictObject({
      ref: z.string(),
      commit: commitId.nullable(),
      tree: cid,
      base: z.string().nullable(),
      jobs: z.array(z.looseObject({ name: z.string(), job: z.string() })),
      skipped: z.array(skipped),
    }),
  ],
  'project forget': [z.strictObject({ forgotten: peerId, name: z.string() })],
  'worker leave': [z.strictObject({ left: peerId, name: z.string() })],
  'project list': [
    z.array(z.strictObject({ project, name: z.string(), operator: z.string(), role: roleSchema })),
  ],
  revoke: [
    z.strictObject({
      kind: z.enum(['operator', 'key', 'job', 'image', 'artifact']),
      id,
      since: count,
      reason: z.string(),
      index: count,
      byRoot: z.boolean(),
      already: z.literal(true).optional(),
      keeps: ownRevocations.optional(),
      voids: ownRevocations.optional(),
      voidLeaves: z.array(id).optional(),
    }),
  ],
  'rotate controller': [z.strictObject({ ...rotated, controller: peerId, before: peerId })],
  'rotate idp': [
    z.strictObject({ ...rotated, idps: z.array(peerId), gone: z.array(peerId), ended }),
    z.strictObject({ ...rotated, idps: z.array(peerId), before: peerId, ended: ended.optional() }),
  ],
  'rotate trusted-worker': [
    z.strictObject({ ...rotated, trusted: z.array(peerId), added: z.array(peerId), gone: z.array(peerId) }),
  ],
  run: [runLine],
  sbom: [
    progressEvent,
    z.strictObject({ file: z.string(), artifact: cid.nullable(), level, components: count }),
    z.looseObject({ bomFormat: z.literal('CycloneDX'), specVersion: z.string() }),
  ],
  show: [
    z.strictObject({
      summary: runSummarySchema,
      account: z.strictObject(accountFields),
      history: z.array(z.strictObject({ at: timeMs, progress })),
      unread: count.optional(),
      pipeline: z.array(pipelineJobSchema),
    }),
  ],
  'store forget': [z.strictObject({ forgotten: cid, store: z.string(), names: texts })],
  try: [
    progressEvent,
    event('input', { name: z.string(), cid, from: z.enum(['folder', 'store', 'mesh']), level }),
    event('source', {
      job: z.string(),
      root: z.string(),
      tree: cid,
      commit: commitId.nullable(),
      dirty: z.boolean(),
      file: z.string().nullable(),
    }),
    event('dependencies', { files: count, fetchedBytes: size }),
    event('output', { line: z.string() }),
    event('network', { connections: count, refused: count, received: size, sent: size }).loose(),
    event('built', {
      kind: z.literal('exit'),
      code: z.int(),
      ms: z.int(),
      artifact: cid.nullable(),
      reports: cid.nullable().optional(),
      files: z.array(builtFile),
    }),
    event('built', {
      kind: z.literal('aborted'),
      reason: z.string(),
      detail: z.string(),
      ms: z.int(),
      artifact: z.null(),
      files: z.array(builtFile),
    }),
    event('varied', {
      condition: z.string(),
      pinned: z.boolean(),
      differs: z.boolean(),
      failed: z.unknown(),
      files: z.array(z.strictObject({ path: z.string(), change })),
    }),
    event('vary', { differs: texts }),
  ],
  verify: [
    z.strictObject({
      path: z.string(),
      ...verificationFields,
      revocations: z.strictObject({ known: count, askedAt: timeMs.nullable() }),
      artifact: cid.optional(),
      sha256: sha256.optional(),
      bytes: size.optional(),
      paths: texts.optional(),
    }),
    z.strictObject({
      ok: z.literal(true),
      code: z.null(),
      log: peerId,
      kind: z.enum(['roots', 'ack', 'leaves']),
      sizes: z.array(count),
      index: count.nullable(),
      lines: count,
      says: z.string(),
    }),
    z.strictObject({ ok: z.literal(false), code, says: z.string() }),
    z.strictObject({ page: z.string(), bytes: size, sha256 }),
  ],
  version: [z.strictObject({ version: z.string(), node: z.string() })],
  ...steered,
  'worker config': [z.strictObject({ example: z.string() }), workerFileShown],
} satisfies Record<string, readonly z.ZodType[]>;

/** By the words of the command: one line of its standard output. */
export const jsonSchemas: ReadonlyMap<string, z.ZodType> = new Map(
  Object.entries(jsonOutputs).map(([command, lines]) => [command, z.union([...lines, failure])]),
);

/** As a JSON Schema (draft 2020-12) for programs that read it: fields that it does not name may come. */
function publishedSchema(command: string, schema: z.ZodType): object {
  const json = z.toJSONSchema(schema, {
    unrepresentable: 'any',
    reused: 'ref',
    override: ({ jsonSchema }) => {
      if (jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties;
    },
  });
  return { ...json, title: `quorate ${command} --json`, description: 'One line of standard output.' };
}

export function publishedSchemas(): Map<string, string> {
  return new Map(
    [...jsonSchemas].map(([command, schema]) => [
      `${command.replaceAll(' ', '-')}.schema.json`,
      `${JSON.stringify(publishedSchema(command, schema), null, 1)}\n`,
    ]),
  );
}
