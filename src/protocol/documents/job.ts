import { z } from 'zod';
import { isRefName } from '../base/git-ref.ts';
import { limits } from '../base/limits.ts';
import { sandboxProfile } from '../base/sandbox-profile.ts';
import { isBelow } from '../base/tree-path.ts';
import {
  cid,
  commitId,
  count,
  inOrder,
  name,
  nonce,
  peerId,
  policySchema,
  sha256,
  text,
  treePath,
} from './base.ts';
import { dagJsonCid, decodeDocument, encodeCanonical } from './canonical.ts';
import { lasting, signed } from './growth.ts';
import { recipeSchema } from './recipe.ts';
import { stepSchema } from './step.ts';

const outputPath = text(limits.pathBytesMax).refine(
  (path) => path === '.' || isBelow(path),
  'an output is a path below $OUT, or "."',
);

/** A tag of the commit: `object` is the id of the annotated tag, or of the commit for a tag without annotation. */
const gitTagSchema = z.strictObject({
  name: text(255).refine(isRefName, 'not the name of a tag'),
  object: commitId,
});

/** A DAG-JSON block; its CID is the job's id. Holds no time and no secret, so the same work has the same id. */
export const jobSchema = z.strictObject({
  v: z.literal(1),
  name,
  /** Of a test, whose outputs are reports and no artifact. Absent otherwise, so that one meaning has one id. */
  kind: z.literal('test').optional(),
  source: z.strictObject({ url: text(2000).min(1), commit: commitId, tree: cid }),
  image: z.union([z.literal('host'), cid]),
  arch: z.enum(['x86_64', 'aarch64']),
  /** Artifacts the job reads, unpacked at /build/in/<name>. Empty in a template, which a request names. */
  inputs: z.record(name, cid),
  run: z.array(stepSchema).min(1).max(limits.jobStepsMax),
  env: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/), text(4096)),
  outputs: z.array(outputPath).min(1).max(64),
  limits: z.strictObject({
    cpus: z.int().min(1).max(256),
    memoryBytes: z
      .int()
      .min(limits.jobMemoryBytesMin)
      .max(2 ** 44),
    diskBytes: z
      .int()
      .min(1024 * 1024)
      .max(2 ** 44),
    pids: z.int().min(limits.jobPidsMin).max(32_768),
    seconds: z
      .int()
      .min(1)
      .max(7 * 24 * 3600),
    /** Output files; absent where it is `limits.outputFilesDefault`, so that one meaning has one id. */
    files: z
      .int()
      .min(1)
      .max(limits.outputFilesMax)
      .refine((files) => files !== limits.outputFilesDefault, 'is the default, which is left out')
      .optional(),
  }),
  /** Hosts that a build may reach: the charter's servers of sources, the project's store. Absent for none: one meaning has one id. */
  network: z
    .array(z.enum(['store', 'vcs']))
    .min(1)
    .refine(inOrder, 'not in order, each once')
    .optional(),
  /** Dependencies that the build installs offline: lock files in the source tree, and the tree of the files that they demand (ADR 0045). */
  dependencies: z
    .strictObject({
      locks: z.array(treePath).min(1).max(limits.jobLocksMax).refine(inOrder, 'not in order, each once'),
      tree: cid,
    })
    .optional(),
  /** A git folder of the commit in the checkout, without history; with the tag that was asked for. Absent: none. */
  git: z.strictObject({ tag: gitTagSchema.optional() }).optional(),
  /** Version of all that is pinned around a build (docs/sandbox.md). */
  profile: z.literal(sandboxProfile),
  /** How trees become CIDs: unixfs-v1-2025 of IPIP-499, plus mode 0755 on executables only. */
  cids: z.literal('unixfs-v1-2025+x'),
});
export type Job = z.infer<typeof jobSchema>;

export function encodeJob(job: Job): { bytes: Uint8Array; id: string } {
  const bytes = encodeCanonical(job);
  return { bytes, id: dagJsonCid(bytes) };
}

export function decodeJob(bytes: Uint8Array): { job: Job; id: string } {
  return { job: decodeDocument('job', bytes, jobSchema, limits.jobBytesMax), id: dagJsonCid(bytes) };
}

/** The job of a template: it reads these artifacts. */
export function instantiate(template: Job, inputs: Job['inputs']): { job: Job; id: string } {
  const job = { ...template, inputs };
  return { job, id: encodeJob(job).id };
}

/** Id of the template that a job is an instance of; of a job without inputs its own. */
export function templateIdOf(job: Job): string {
  return instantiate(job, {}).id;
}

/**
 * Needs of a job by input: the request of the same repository and commit, and the level before this job begins. `gate`: nothing of
 * it is read, as of a test.
 */
const needsSchema = z
  .record(
    name,
    z.strictObject({
      request: sha256,
      level: z.enum(['agreed', 'trusted']),
      gate: z.literal(true).optional(),
    }),
  )
  .refine((needs) => {
    const count = Object.keys(needs).length;
    return 1 <= count && count <= limits.jobInputsMax;
  }, `names no input, or more than ${limits.jobInputsMax}`);

/** The publisher's order: this job, from this ref of this repository, under this policy. */
export const requestSchema = z.strictObject({
  ...signed,
  /** The controller that may open rounds for it. */
  aud: peerId,
  project: peerId,
  /** The job, or the template of one that reads artifacts. */
  job: cid,
  /** Absent for a job that reads none. */
  needs: needsSchema.optional(),
  repo: text(2000).min(1),
  ref: text(300).min(1),
  commit: commitId,
  /** The job file, where that is not the source's own `quorate.yaml`. */
  recipe: recipeSchema.optional(),
  policy: policySchema,
  /** Asks for fresh work even where the evidence there is would do. */
  rebuild: z.boolean(),
  jti: nonce,
  ...lasting,
});
export type Request = z.infer<typeof requestSchema>;

export const fenceSchema = z.strictObject({ epoch: count, n: count });
/** Grows with every lease of a controller: `epoch` with each of its starts, `n` within one. */
export type Fence = z.infer<typeof fenceSchema>;
