import { z } from 'zod';
import { limits } from '../base/limits.ts';
import { cid, count, milliseconds, name, peerId, sha256, text } from '../documents/base.ts';
import { documentLimits } from '../documents/limits.ts';
import { recipeSchema } from '../documents/recipe.ts';
import { verdictLevelSchema } from '../documents/statement.ts';
import { wireLimits } from './limits.ts';

/** A policy as runs and events tell it. */
export const toldPolicySchema = z.object({ agree: z.int().min(1), of: z.int().min(1), cosign: z.boolean() });
export type ToldPolicy = z.infer<typeof toldPolicySchema>;

/** The revocation that voids a verdict. */
export const revokedSchema = z.object({
  what: text(40),
  id: text(120),
  since: count,
  reason: text(500),
});

/** A run that has not ended: its round, who builds, and who could. Nothing that is sealed. */
const openFactsSchema = z.object({
  /** Results of the round that are in, and sealed until it ends. */
  sealed: count,
  /** Operators that build it, without the trusted worker's. */
  building: z.array(name).max(documentLimits.slotsMax),
  connected: count,
  /** Of these, operators that may take a slot: enrolled before the offer, without a lease of the run so far. */
  eligible: count,
  /** Eligible operators that have said nothing yet. */
  asked: z.array(name).max(wireLimits.declinedMax).optional(),
  /** Of the connected, operators that were enrolled after the offer. */
  late: count.optional(),
  /** When free slots are given up that nobody builds, in ms: the round ends without them. */
  freeUntil: milliseconds.optional(),
  /** Of these, operators that said why they take none. */
  declined: z.array(z.object({ operator: name, reason: text(500) })).max(wireLimits.declinedMax),
  /** The controller gives no lease until its next start. */
  held: z.literal(true).optional(),
  /** The trusted worker's own build, where the policy asks for a co-signature. */
  trusted: z.enum(['free', 'building', 'delivered', 'expired']).optional(),
  trustedConnected: z.literal(true).optional(),
  /** Why the trusted worker last said that it takes no slot of this round. */
  trustedPassed: text(500).optional(),
  /** How much of the artifact is at the controller, and from which operators it comes. `total`: as they say. */
  fetching: z
    .object({
      bytes: count,
      total: count.nullable(),
      bytesPerSecond: z.number().min(0).nullable(),
      from: z.array(name).max(documentLimits.slotsMax),
    })
    .optional(),
});

/** Counts of outcomes of a run by operator, as far as they are revealed. */
const tallySchema = z.object({
  /** Operators whose builds ended by themselves, in the round that has most of them. */
  ended: count,
  /** Operators whose builds failed, in the last round that was revealed. */
  failed: count,
  /** Operators that agree on what the verdict is about. */
  same: count.optional(),
  by: z.array(name).max(documentLimits.slotsMax).optional(),
  /** Why builds were aborted, as their workers say: not escaped. */
  aborted: z.string().max(500).optional(),
});

/** Another run of the same job, of which one was built again, that came to something else. */
const differsSchema = z.object({
  run: sha256,
  /** That one is the later of the two. */
  later: z.literal(true).optional(),
  /** The verdict of that one does not stand any more, so they differ no more. */
  voided: z.literal(true).optional(),
  /** The trees that this run and that one put out. */
  made: cid.nullable(),
  other: cid.nullable(),
});

/** The job that a run needed, and with which it was cancelled or revoked: the first of a chain of them. */
const fellWithSchema = z.object({ name: text(200), run: sha256, how: text(60) });

/** How a run stands, for lists and for people. */
export const runSummarySchema = z.object({
  run: sha256,
  job: cid,
  name,
  test: z.literal(true).optional(),
  repo: text(2000),
  ref: text(300),
  commit: text(64),
  /** Where the job file is not the source's own. */
  recipe: recipeSchema.strip().optional(),
  /** Of the commit, as the publisher says. */
  subject: text(documentLimits.subjectCharsMax).optional(),
  author: text(documentLimits.authorCharsMax).optional(),
  /** The first run of those that were published together with it; a controller of before does not tell. */
  push: sha256.optional(),
  /** The phase of the controller's machine. */
  state: text(40),
  level: verdictLevelSchema.nullable(),
  /** Why the verdict states no result, where its level is `disputed` or `unfinished`; a controller may know of more reasons than its clients. */
  reason: text(40).optional(),
  /** The limit at which the builds were aborted, with its number. */
  limit: text(500).optional(),
  cancelled: text(500).optional(),
  /** Inputs, by name, that are not there yet or not trusted. */
  awaits: z.array(text(200)).max(limits.pipelineJobsMax).optional(),
  tally: tallySchema.optional(),
  differs: differsSchema.optional(),
  fellWith: fellWithSchema.optional(),
  open: openFactsSchema.optional(),
  artifact: cid.nullable(),
  /** The tree that a test put out, which is no artifact. */
  reports: cid.optional(),
  /** The published level counts without a co-signature: whoever holds the controller can forge it. */
  cosigned: z.literal(false).optional(),
  /** The earlier run of the same job on whose evidence the verdict rests: the job was not built for this one. */
  earlier: sha256.optional(),
  revoked: revokedSchema.optional(),
  /** Results were in dispute, or what operators had agreed on was contradicted: who published it should look. */
  alarming: z.literal(true).optional(),
  /**
   * Trusted workers without a signature, the newest last. `says`: why, with a code; `refused`: built and refuses to sign; `delayed`:
   * built and could not check the draft yet; else it lost its lease.
   */
  trustedFailures: z
    .array(
      z.object({
        worker: peerId,
        says: text(500),
        refused: z.literal(true).optional(),
        delayed: z.literal(true).optional(),
      }),
    )
    .max(limits.slotLeasesMax)
    .optional(),
  /** Somebody who may publish has looked at that. */
  acknowledged: z.literal(true).optional(),
  /** Of a run that waits for witnesses of the log: who has signed and who has not. */
  missing: z
    .object({
      operators: z.array(name).max(documentLimits.slotsMax),
      operatorsNeeded: count,
      named: z.array(text(128)).max(documentLimits.charterWitnessesMax),
      namedNeeded: count,
      namedMissing: z.array(text(128)).max(documentLimits.charterWitnessesMax),
    })
    .optional(),
  submittedAt: milliseconds,
  /** When the first build began. */
  startedAt: milliseconds.optional(),
  /** From then to the end of the last build so far, where none goes on. */
  tookMs: count.optional(),
  /** From `submittedAt` to its last verdict, once it is over. */
  doneMs: count.optional(),
  round: count,
  policy: toldPolicySchema.extend({ agree: count, of: count }),
});
export type RunSummary = z.infer<typeof runSummarySchema>;

const { run, test, state, level, cosigned, limit, cancelled, awaits, differs, fellWith } =
  runSummarySchema.shape;

/** A job of a pipeline, as far as its summary tells. */
export const pipelineJobSchema = z.object({
  run,
  name,
  test,
  state,
  level,
  cosigned,
  revoked: z.literal(true).optional(),
  reason: text(500).optional(),
  limit,
  cancelled,
  awaits,
  differs,
  fellWith,
  /** By the name of the input: the run that makes it, and the level it has to have before this one begins. */
  needs: z
    .array(z.object({ name: text(200), run: sha256, level: z.enum(['agreed', 'trusted']) }))
    .max(limits.pipelineJobsMax),
});
export type PipelineJob = z.infer<typeof pipelineJobSchema>;
