import { expect, it } from 'vitest';
import type { Run } from '../../../src/controller/machine/state.ts';
import { endingOf } from '../../../src/controller/machine/verdicts/decision.ts';
import type { Outcome } from '../../../src/protocol/documents/index.ts';
import type { Decision } from '../../../src/protocol/trust/index.ts';
import { A, B, built, failed, other } from './bench.ts';

interface Of {
  /** Of operators in the first round, in turn. */
  made?: Outcome[];
  second?: Outcome[];
  trusted?: Outcome;
  dispute?: Decision['dispute'];
  /** Receipts that do not count, by their number, and why. */
  excluded?: Record<string, string>;
  unserved?: string[];
  phase?: string;
  kind?: 'test';
  cosign?: 'none';
  given?: number;
  passed?: string[];
  limit?: true;
}

const outputs: Outcome = { kind: 'aborted', reason: 'outputs', detail: 'too many' };
const memory: Outcome = { kind: 'aborted', reason: 'memory', detail: '' };

function ending({ made = [], second = [], trusted, dispute = null, excluded = {}, ...of }: Of, rules = 3) {
  const votes = [
    ...made.map((outcome) => ({ round: 1, slot: 0, outcome })),
    ...second.map((outcome) => ({ round: 2, slot: 0, outcome })),
    ...(trusted === undefined ? [] : [{ round: 1, slot: 'trusted', outcome: trusted }]),
  ].map((vote, n) => ({ ...vote, receipt: `${n}`, ...(of.limit && { limit: { name: 'files', max: 1 } }) }));
  const run = {
    receipts: votes,
    unserved: of.unserved ?? [],
    phase: { kind: of.phase ?? 'building' },
    job: { kind: of.kind },
    request: { payload: { policy: { agree: 2, cosign: of.cosign ?? 'required' } } },
    rounds: [1, 2].map((n) => ({ n, leasesGiven: [0, of.given ?? 0], passed: new Set(of.passed) })),
  };
  const decision = { level: 'none', dispute, excluded: new Map(Object.entries(excluded)) };
  return endingOf(run as unknown as Run, decision as unknown as Decision, rules);
}

it.each<[string, Of, string]>([
  [
    'the trusted worker built something else',
    { made: [built], trusted: other, dispute: 'trusted-worker' },
    'contradicted',
  ],
  [
    'the trusted worker failed',
    { made: [built], trusted: failed, dispute: 'trusted-worker' },
    'trusted-failed',
  ],
  [
    'the build of the trusted worker was aborted',
    { made: [built], trusted: memory, dispute: 'trusted-worker' },
    'trusted-failed',
  ],
  ['operators built other artifacts', { made: [built, other], dispute: 'operators' }, 'results-differ'],
  ['one of them failed', { made: [built, failed], dispute: 'operators' }, 'results-differ'],
  ['they built the same with other files', { made: [built, built], dispute: 'operators' }, 'files-differ'],
  [
    'what differs does not count',
    { made: [built, other], excluded: { 1: 'x' }, dispute: 'operators' },
    'files-differ',
  ],
  ['what differs was aborted', { made: [built, memory], dispute: 'operators' }, 'files-differ'],
])('a dispute where %s is told as %o: %s', (_name, of, reason) => {
  expect(ending(of)).toEqual({ level: 'disputed', ending: reason });
});

it.each<[string, Of, string]>([
  ['nobody served what was built', { made: [built, built], unserved: [A, B] }, 'not-served'],
  ['it is still looked for', { made: [built, built], phase: 'pinning' }, 'not-served'],
  ['nobody was there', {}, 'not-built'],
  ['all that were there passed', { passed: ['ada'] }, 'not-taken'],
  ['one that was taken was lost', { passed: ['ada'], given: 1 }, 'not-built'],
  ['the trusted worker alone built it', { trusted: built, passed: ['ada'] }, 'not-taken'],
  ['all outputs were refused', { made: [outputs, outputs] }, 'outputs-refused'],
  ['outputs were refused at a limit', { made: [outputs], limit: true }, 'aborted'],
  ['builds were aborted', { made: [outputs, memory] }, 'aborted'],
  ['its artifact was revoked', { made: [built], excluded: { 0: 'artifact-revoked' } }, 'artifact-revoked'],
  ['all builds failed', { made: [failed, failed, memory] }, 'build-failed'],
  ['all tests failed that a trusted worker confirms', { made: [failed], kind: 'test' }, 'build-failed'],
  ['too few tests failed', { made: [failed], kind: 'test', cosign: 'none' }, 'too-few'],
  ['too few built it', { made: [built, memory] }, 'too-few'],
  ['too few in each round', { made: [built], second: [built] }, 'too-few'],
  ['too few of those that count', { made: [built, built], excluded: { 0: 'x' } }, 'too-few'],
  ['enough built it, and it was not signed', { made: [built, built] }, 'too-late'],
  ['enough built it in the second round', { made: [built], second: [built, built] }, 'too-late'],
])('a run that is unfinished where %s says so: %o %s', (_name, of, reason) => {
  expect(ending(of)).toEqual({ level: 'unfinished', ending: reason });
  // Under the first rules each such run was disputed.
  expect(ending(of, 2)).toEqual({ level: 'unfinished', ending: reason });
  expect(ending(of, 1)).toEqual({ level: 'disputed', ending: reason });
});
