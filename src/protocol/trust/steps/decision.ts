import { isTrustedSlot, type Outcome, type Policy, sameValue } from '../../documents/index.ts';
import { cosignersOf, cosignersOrOne } from '../../judge/policy.ts';
import { bearsFailure, type Decision, isCheap, levelWithoutResult, type RankedResult } from '../decide.ts';
import { atLeast, type Level } from '../evidence.ts';
import { revocationAt, revocationsFor, sayRevoked, trustedAmong, voteRevoked } from '../revocations.ts';
import type { Ask, Logged, Opened } from './context.ts';
import { checkReceiptList, factsOf } from './documents.ts';
import { checkWitnessTime } from './times.ts';

export interface Decided {
  /** The level reached, at most the one the verdict states. */
  level: Level;
  operators: string[];
  /** Trusted workers of the charter that signed the verdict. */
  cosigners: string[];
}

function decideWith(
  ask: Ask,
  opened: Opened,
  logged: Logged,
  cosigned: readonly string[],
  inputs: Readonly<Record<string, Level>>,
) {
  const trustedKeys = opened.charter.payload.trusted;
  const evidence = { kind: opened.job.kind, votes: logged.votes, trustedKeys, cosigned, inputs };
  const revocations = revocationsFor(ask.revoked, logged.verdictIndex);
  return ask.decide(opened.request.payload.policy, evidence, revocations);
}

/** The decision on the result that the verdict is about. */
function rankedBy(decision: Decision, result: string | null): RankedResult | undefined {
  return decision.results.find((ranked) => ranked.result === result);
}

/** Decides again from the evidence and compares the verdict with the decision. `draft`: not co-signed yet. */
export function decideAgain(ask: Ask, opened: Opened, logged: Logged, draft: boolean): Decided {
  const { check, revoked } = ask;
  const { charter, verdict } = opened;
  const { trusted } = charter.payload;
  const { level: stated, outcome } = factsOf(verdict);
  checkReceiptList(ask, opened, logged.votes);

  const atMost = decideWith(ask, opened, logged, trusted, {});
  const about = ask.resultOf(verdict.payload);
  const ranked = rankedBy(atMost, about);
  const sameTree = logged.votes.some((vote) => sameValue(vote.outcome, outcome));
  const sameFiles = logged.votes.some(({ result }) => result === about);
  check(
    'VERDICT_SUBJECTS_MISMATCH',
    sameFiles || !sameTree,
    'the verdict lists other files than the builds it rests on',
  );
  const bears: Record<typeof stated, boolean> = {
    trusted: ranked?.level === 'trusted',
    agreed: ranked !== undefined && atLeast(ranked.level, 'agreed'),
    failed: bearsFailure(atMost, about),
    disputed: outcome === null,
    unfinished: outcome === null && levelWithoutResult(atMost) === 'unfinished',
  };
  const [voided] = logged.votes.flatMap((vote) => voteRevoked(revoked, vote) ?? []);
  check(
    'EVIDENCE_REVOKED',
    bears[stated] || voided === undefined,
    `the verdict says "${stated}", which does not stand without the receipts that were revoked: ${voided === undefined ? '' : sayRevoked(voided)}`,
  );
  check(
    'VERDICT_UNSUPPORTED_BY_EVIDENCE',
    bears[stated],
    `the verdict says "${stated}"; its receipts do not bear that out`,
  );
  const cosigners = trustedAmong(verdict.signers, charter.payload, revoked, logged.verdictIndex);
  if (stated === 'disputed' || stated === 'unfinished') return { level: 'none', operators: [], cosigners };
  const low = Object.entries(opened.inputs).find(([, of]) => of !== 'trusted');
  check(
    'INPUTS_NOT_TRUSTED',
    stated === 'agreed' || low === undefined,
    `the verdict says "${stated}"; ${low?.[0]}, which the job reads, is ${low?.[1]}`,
  );
  if (stated === 'failed') return { level: 'failed', operators: atMost.failure?.operators ?? [], cosigners };

  const now = decideWith(ask, opened, logged, draft ? trusted : cosigners, opened.inputs);
  const reached = rankedBy(now, about)?.level ?? 'none';
  const level = atLeast(reached, stated) ? stated : reached;
  return { level, operators: ranked?.operators ?? [], cosigners };
}

/** Trusted workers that must sign for the level `trusted`: as many as the policy asks for, and one where the result is empty. */
export function signaturesNeeded(policy: Policy, outcome: Outcome | null): number {
  return Math.max(cosignersOf(policy), outcome !== null && isCheap(outcome) ? 1 : 0);
}

/**
 * When as many of these as have to sign had signed the checkpoint, by their own clocks, in seconds: the latest time of which that is true;
 * undefined where they are too few.
 */
export function signedAt(logged: Logged, signers: readonly string[], policy: Policy): number | undefined {
  const latestFirst = witnessTimes(logged, signers).sort((a, b) => b - a);
  return latestFirst[cosignersOrOne(policy) - 1];
}

/** When trusted workers that co-signed signed the checkpoint, by their own clocks, in seconds. */
export function witnessTimes({ checkpoint }: Logged, cosigners: readonly string[]): number[] {
  return checkpoint.witnesses.flatMap(({ witness, time }) => (cosigners.includes(witness) ? [time] : []));
}

/**
 * Each further signature is of a trusted worker of the charter that built the same. Where the policy requires one it is there, and its
 * key signed the checkpoint.
 */
export function checkCosignature(
  ask: Ask,
  opened: Opened,
  logged: Logged,
  cosigners: readonly string[],
): void {
  const { check, revoked } = ask;
  const { charter, request, verdict } = opened;
  const { level, outcome } = factsOf(verdict);
  const about = ask.resultOf(verdict.payload);
  for (const key of verdict.signers.slice(1)) {
    const named = charter.payload.trusted.includes(key);
    check(
      'COSIGN_NOT_TRUSTED_KEY',
      named,
      `${key} co-signed the verdict; the charter does not name that key`,
    );
    const built = logged.votes.some(
      (vote) => vote.worker === key && isTrustedSlot(vote.slot) && about !== null && vote.result === about,
    );
    check('COSIGN_NOT_BUILT', built, `${key} co-signed what it did not build itself`);
  }
  const needed = signaturesNeeded(request.payload.policy, outcome);
  if (level !== 'trusted' || needed === 0) return;
  const [lapsed] = verdict.signers
    .slice(1)
    .flatMap((key) => revocationAt(revoked, { kind: 'key', id: key }, logged.verdictIndex) ?? []);
  check(
    'KEY_REVOKED',
    cosigners.length >= needed || lapsed === undefined,
    `the co-signature counts no more: ${lapsed === undefined ? '' : sayRevoked(lapsed)}`,
  );
  check(
    'COSIGN_MISSING',
    cosigners.length >= needed,
    `co-signatures of trusted workers are required, and ${cosigners.length} of ${needed} are there`,
  );
  const times = witnessTimes(logged, cosigners);
  check(
    'WITNESS_MISSING',
    times.length >= needed,
    `of the trusted workers that co-signed, ${times.length} of ${needed} have signed the checkpoint of the log`,
  );
  const signed = signedAt(logged, cosigners, request.payload.policy);
  if (signed !== undefined) checkWitnessTime(ask, opened, signed);
}
