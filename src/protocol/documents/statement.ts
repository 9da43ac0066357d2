import { z } from 'zod';
import { limits } from '../base/limits.ts';
import { isTreePath } from '../base/tree-path.ts';
import { cid, commitId, count, name, nonce, peerId, policySchema, sha256, text } from './base.ts';
import { cidDigestHex, idOf } from './canonical.ts';
import { growth } from './growth.ts';
import { fenceSchema, type Job } from './job.ts';
import { documentLimits, receiptsMax } from './limits.ts';
import { recipeSchema } from './recipe.ts';
import { slotSchema } from './round.ts';

/** The files that a receipt or a verdict lists. The first subject is the tree, or the job where there is none. */
export function filesOf({ subject }: Receipt | Verdict): FileHash[] {
  return subject.slice(1).map(({ name, digest }) => ({ path: name, sha256: digest.sha256 }));
}

/** One digest of exit status, CID of the tree and its files. Builds agree when it is equal. Null for an aborted build. */
export function resultIdOf(outcome: Outcome, files: readonly FileHash[]): string | null {
  if (outcome.kind !== 'exit') return null;
  const { code, artifact } = outcome;
  return idOf({ code, artifact, files: artifactOf(outcome) === null ? [] : files });
}

/** The same of what a receipt or a verdict states; null for a verdict about no build. */
export function resultOf(statement: Receipt | Verdict): string | null {
  const { predicate } = statement;
  const { outcome } = 'quorate_receipt' in predicate ? predicate.quorate_receipt : predicate.quorate_verdict;
  return outcome === null ? null : resultIdOf(outcome, filesOf(statement));
}

/** in-toto Statement v1 (https://in-toto.io/Statement/v1): the payload of every DSSE envelope here. */
const statementType = 'https://in-toto.io/Statement/v1';
const subjectSchema = z.strictObject({
  name: text(limits.pathBytesMax + 16).refine(
    (name) => name === '.' || isTreePath(name),
    'not the path of a file in a tree',
  ),
  digest: z.strictObject({ sha256 }),
});
/** `.` is the tree: its digest is the one inside the root CID. Then each file of it. */
const subjectsSchema = z
  .array(subjectSchema)
  .min(1)
  .max(limits.outputFilesMax + 1);

/** How a build ended. Only `exit` is a vote; an aborted build says nothing about the source. */
export const outcomeSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('exit'), code: z.int().min(0).max(255), artifact: cid.nullable() }),
  z.strictObject({
    kind: z.literal('aborted'),
    reason: z.enum(['time', 'memory', 'disk', 'source', 'sandbox', 'outputs', 'operator']),
    detail: text(500),
  }),
]);
export type Outcome = z.infer<typeof outcomeSchema>;

/** Properties of the host that the tier cannot pin. Helps to explain differing results; no evidence. */
const unpinnedSchema = z.strictObject({
  /** Release of the kernel that a build runs on, or of what stands in for one. */
  kernel: text(100).optional(),
  /** Of a virtual machine's kernel: the version of the package it comes from, and the file as the package has it. */
  kernelPackage: text(100).optional(),
  kernelSha256: sha256.optional(),
  /** Model of the processor, which CPUID tells everybody outside of a virtual machine. */
  processor: text(100).optional(),
});
export type Unpinned = z.infer<typeof unpinnedSchema>;

const receiptFactsSchema = z.strictObject({
  ...growth,
  project: peerId,
  job: cid,
  offer: sha256,
  lease: sha256,
  round: z.int().min(1).max(documentLimits.roundsMax),
  slot: slotSchema,
  fence: fenceSchema,
  operator: name,
  outcome: outcomeSchema,
  log: cid.nullable(),
  sandbox: z.strictObject({
    tier: text(40),
    profile: text(60),
    portable: z.boolean(),
    unpinned: unpinnedSchema.optional(),
  }),
  nonce,
  /** The worker's Ed25519 signature of the in-toto link that says the same, for tools that know only those. */
  link: z
    .string()
    .regex(/^[A-Za-z0-9+/]{85}[AQgw]==$/, 'not 64 bytes in base64')
    .optional(),
});
/** A worker's statement about one build. `portable` is false where the host's own /usr was the image. */
export type ReceiptFacts = z.infer<typeof receiptFactsSchema>;

export const receiptBuildType = 'urn:quorate:build:v1';

/** Materials of a build, as in-toto names them (ResourceDescriptor): the commit first, then each tree that the job names. */
const resolvedDependenciesSchema = z
  .tuple(
    [z.strictObject({ uri: text(2100), digest: z.strictObject({ gitCommit: commitId }) })],
    z.strictObject({ name: text(100), uri: text(200), digest: z.strictObject({ sha256 }) }),
  )
  .refine((all) => all.length <= limits.jobInputsMax + 3, `names more than ${limits.jobInputsMax + 3}`);
export type ResolvedDependencies = z.infer<typeof resolvedDependenciesSchema>;

/** Materials of a job: commit, image unless it is the host's, artifacts that it reads, tree of its dependencies. */
export function resolvedDependenciesOf({
  source,
  image,
  inputs,
  dependencies,
}: Pick<Job, 'source' | 'image' | 'inputs' | 'dependencies'>): ResolvedDependencies {
  const tree = (name: string, cid: string) => ({
    name,
    uri: `ipfs://${cid}`,
    digest: { sha256: cidDigestHex(cid) },
  });
  return [
    { uri: `git+${source.url}`, digest: { gitCommit: source.commit } },
    ...(image === 'host' ? [] : [tree('image', image)]),
    ...Object.keys(inputs)
      .sort()
      .map((name) => tree(`input/${name}`, inputs[name] ?? '')),
    ...(dependencies === undefined ? [] : [tree('dependencies', dependencies.tree)]),
  ];
}

/** SLSA provenance v1 (https://slsa.dev/spec/v1.0/provenance); ours sits in `quorate_receipt`, as extensions may. */
export const receiptSchema = z.strictObject({
  _type: z.literal(statementType),
  subject: subjectsSchema,
  predicateType: z.literal('https://slsa.dev/provenance/v1'),
  predicate: z.strictObject({
    buildDefinition: z.strictObject({
      buildType: z.literal(receiptBuildType),
      externalParameters: z.strictObject({ job: cid }),
      resolvedDependencies: resolvedDependenciesSchema,
    }),
    runDetails: z.strictObject({
      builder: z.strictObject({ id: text(100) }),
      metadata: z.strictObject({
        invocationId: nonce,
        startedOn: z.iso.datetime(),
        finishedOn: z.iso.datetime(),
      }),
    }),
    quorate_receipt: receiptFactsSchema,
  }),
});
export type Receipt = z.infer<typeof receiptSchema>;

/** A file of an artifact: path in the tree, sha256 of its bytes. */
export interface FileHash {
  path: string;
  sha256: string;
}

interface ReceiptParts {
  worker: string;
  job: Parameters<typeof resolvedDependenciesOf>[0];
  files: readonly FileHash[];
  startedOn: string;
  finishedOn: string;
  facts: ReceiptFacts;
}

/** A run without an artifact still needs a subject: the job itself. */
export function subjectsOf(artifact: string | null, job: string, files: ReceiptParts['files']) {
  if (artifact === null) return [{ name: 'job', digest: { sha256: cidDigestHex(job) } }];
  return [
    { name: '.', digest: { sha256: cidDigestHex(artifact) } },
    ...files.map((file) => ({ name: file.path, digest: { sha256: file.sha256 } })),
  ];
}

/** The tree that a build left; null for none, and for a verdict about no build. */
export function artifactOf(outcome: Outcome | null): string | null {
  return outcome?.kind === 'exit' ? outcome.artifact : null;
}

/** A receipt of a job with lock files names all materials, any other the commit alone: older evidence stays valid (ADR 0047). */
export function makeReceipt(parts: ReceiptParts): Receipt {
  const [source, ...trees] = resolvedDependenciesOf(parts.job);
  return {
    _type: statementType,
    subject: subjectsOf(artifactOf(parts.facts.outcome), parts.facts.job, parts.files),
    predicateType: 'https://slsa.dev/provenance/v1',
    predicate: {
      buildDefinition: {
        buildType: receiptBuildType,
        externalParameters: { job: parts.facts.job },
        resolvedDependencies: parts.job.dependencies === undefined ? [source] : [source, ...trees],
      },
      runDetails: {
        builder: { id: `urn:quorate:worker:${parts.worker}` },
        metadata: {
          invocationId: parts.facts.nonce,
          startedOn: parts.startedOn,
          finishedOn: parts.finishedOn,
        },
      },
      quorate_receipt: parts.facts,
    },
  };
}

const countedReceiptSchema = z.strictObject({
  receipt: sha256,
  worker: peerId,
  operator: name,
  slot: slotSchema,
  round: z.int().min(1).max(documentLimits.roundsMax),
  index: count,
  outcome: outcomeSchema,
});
/** One line of a verdict's evidence, dissent included. */
export type CountedReceipt = z.infer<typeof countedReceiptSchema>;

/**
 * `failed`: at the trusted worker too, or alike at N operators for a test without co-signature. Without a result after all rounds:
 * `disputed` where somebody built something else, else `unfinished`.
 */
export const verdictLevelSchema = z.enum(['agreed', 'trusted', 'failed', 'disputed', 'unfinished']);
export type VerdictLevel = z.infer<typeof verdictLevelSchema>;

const verdictFactsSchema = z.strictObject({
  ...growth,
  project: peerId,
  job: cid,
  name,
  /** Of a test, whose subjects are reports; absent otherwise. */
  kind: z.literal('test').optional(),
  request: sha256,
  repo: text(2000),
  ref: text(300),
  commit: commitId,
  /** As in the request. */
  recipe: recipeSchema.optional(),
  policy: policySchema,
  level: verdictLevelSchema,
  outcome: outcomeSchema.nullable(),
  /** The earlier request of this job and its last verdict, on whose receipts this one rests. Absent where the job was built. */
  earlier: z.strictObject({ request: sha256, verdict: sha256 }).optional(),
  receipts: z.array(countedReceiptSchema).max(receiptsMax),
});
export type VerdictFacts = z.infer<typeof verdictFactsSchema>;

/** Verification summary (https://slsa.dev/spec/v1.0/verification_summary); claims no SLSA level. */
export const verdictSchema = z.strictObject({
  _type: z.literal(statementType),
  subject: subjectsSchema,
  predicateType: z.literal('https://slsa.dev/verification_summary/v1'),
  predicate: z.strictObject({
    verifier: z.strictObject({ id: text(100) }),
    timeVerified: z.iso.datetime(),
    resourceUri: text(2100),
    policy: z.strictObject({ uri: text(100) }),
    inputAttestations: z
      .array(z.strictObject({ uri: text(100), digest: z.strictObject({ sha256 }) }))
      .max(receiptsMax),
    verificationResult: z.enum(['PASSED', 'FAILED']),
    verifiedLevels: z.array(text(40)).max(1),
    quorate_verdict: verdictFactsSchema,
  }),
});
export type Verdict = z.infer<typeof verdictSchema>;

interface VerdictParts {
  controller: string;
  time: string;
  files: readonly FileHash[];
  facts: VerdictFacts;
}

/** For tools that read verification summaries of others: no name is that of a co-signed artifact unless it is one. */
function trustedLevelOf({ kind, policy }: VerdictFacts): string {
  const of = kind === 'test' ? '_TEST' : '';
  return `QUORATE${of}_TRUSTED${policy.cosign === 'none' ? '_NOT_COSIGNED' : ''}`;
}

export function makeVerdict(parts: VerdictParts): Verdict {
  const { facts } = parts;
  const { earlier } = facts;
  return {
    _type: statementType,
    subject: subjectsOf(artifactOf(facts.outcome), facts.job, parts.files),
    predicateType: 'https://slsa.dev/verification_summary/v1',
    predicate: {
      verifier: { id: `urn:quorate:controller:${parts.controller}` },
      timeVerified: parts.time,
      resourceUri: `git+${facts.repo}@${facts.commit}`,
      policy: { uri: `urn:quorate:request:${facts.request}` },
      inputAttestations: [
        ...(earlier === undefined
          ? []
          : [{ uri: `urn:quorate:verdict:${earlier.verdict}`, digest: { sha256: earlier.verdict } }]),
        ...facts.receipts.map((counted) => ({
          uri: `urn:quorate:receipt:${counted.receipt}`,
          digest: { sha256: counted.receipt },
        })),
      ],
      verificationResult: facts.level === 'trusted' ? 'PASSED' : 'FAILED',
      verifiedLevels: facts.level === 'trusted' ? [trustedLevelOf(facts)] : [],
      quorate_verdict: facts,
    },
  };
}
