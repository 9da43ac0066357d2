import { describe, expect, it } from 'vitest';
import { exited, treeCid } from '../../../simulations/paperwork.ts';
import type { RunFacts } from '../../../src/controller/machine/facts.ts';
import {
  artifactLevel,
  bundledOf,
  findRun,
  pipelineOf,
  provingRun,
  summaryOf,
} from '../../../src/controller/machine/queries/summary.ts';
import type { ControllerState } from '../../../src/controller/machine/state.ts';
import { codeOf } from '../../support/code-and-folder.ts';
import { leasedRound } from './bench.ts';

const [A, B] = [treeCid('a'), treeCid('b')];

interface Of {
  id: string;
  jobId?: string;
  level?: string;
  artifact?: string;
  revoked?: boolean;
  kind?: 'test';
  built?: boolean;
}

/** A run that has a verdict of this level, about an artifact; without a level it has none. */
function runOf({
  id,
  jobId = `job of ${id}`,
  level,
  artifact = A,
  revoked = false,
  kind,
  built = true,
}: Of): RunFacts {
  const published = level === undefined ? null : { verdict: { level, outcome: exited(artifact) } };
  return {
    id,
    jobId,
    job: { kind },
    revoked: revoked ? {} : null,
    receipts: built ? [{}] : [],
    reused: null,
    phase: { kind: 'done', published },
  } as unknown as RunFacts;
}

type Level = string | Omit<Of, 'id'>;
/** Runs `a` and `b`, by their levels and what else they have. */
const two = (...both: [Level, Level]): Of[] =>
  ['a', 'b'].map((id, n) => ({ id, ...(typeof both[n] === 'string' ? { level: both[n] } : both[n]) }));

function stateOf(runs: RunFacts[], lost: string[] = []): ControllerState {
  const index = {
    latestWithArtifact: () => runs.toReversed().values(),
    withArtifact: () => runs,
    beginning: () => runs,
  };
  return { index, lost: new Set(lost) } as unknown as ControllerState;
}

describe('the run that proves an artifact', () => {
  it.each<[string, Of[], string | undefined, string]>([
    ['there is none', [], undefined, 'none'],
    ['one that is trusted', two('agreed', 'trusted'), 'b', 'trusted'],
    ['the newest that is', two('trusted', 'trusted'), 'b', 'trusted'],
    ['not one that is revoked', two('agreed', { level: 'trusted', revoked: true }), 'a', 'agreed'],
    ['the first where none is trusted', two('agreed', 'agreed'), 'a', 'agreed'],
    [
      'one that stands before one that does not',
      two({ level: 'agreed', revoked: true }, 'agreed'),
      'b',
      'agreed',
    ],
    [
      'the first of those that do not stand',
      two({ level: 'agreed', revoked: true }, { level: 'agreed', revoked: true }),
      'a',
      'revoked',
    ],
    [
      'of those that do not stand the last that was trusted',
      [
        { id: 'a', level: 'trusted', revoked: true },
        { id: 'b', level: 'trusted', revoked: true },
        { id: 'c', level: 'agreed', revoked: true },
      ],
      'b',
      'revoked',
    ],
    [
      'one that stands, whatever was trusted once',
      two('agreed', { level: 'trusted', revoked: true }),
      'a',
      'agreed',
    ],
    ['none of another artifact', [{ id: 'a', level: 'trusted', artifact: B }], undefined, 'none'],
    ['none of a test', [{ id: 'a', level: 'trusted', kind: 'test' }], undefined, 'none'],
    ['one whose verdict says no level of an artifact', [{ id: 'a', level: 'disputed' }], 'a', 'none'],
  ])('%s', (_name, runs, proves, level) => {
    const state = stateOf(runs.map(runOf));
    expect(provingRun(state, A)?.id).toBe(proves);
    expect(artifactLevel(state, A)).toBe(level);
  });
});

it('a job has the bundles of those of its runs that have a verdict and evidence', () => {
  const runs = [
    { id: 'a', jobId: 'app', level: 'agreed' },
    { id: 'b', jobId: 'apples', level: 'agreed' },
    { id: 'c', jobId: 'app' },
    { id: 'd', jobId: 'app', level: 'unfinished', built: false },
  ].map(runOf);
  expect(bundledOf(stateOf(runs), 'app').map(({ id }) => id)).toEqual(['a']);
});

describe('a run by the beginning of a name', () => {
  const find = (which: string, runs: Of[], lost: string[] = []) =>
    findRun(stateOf(runs.map(runOf), lost), which);
  const same = { jobId: 'job 12345', level: 'agreed' };

  it('of itself, its job or its artifact is the newest', () => {
    expect(find('12345678', [{ id: '12345678' }, { id: '123456789' }]).id).toBe('123456789');
    expect(find('job 1234', [{ id: 'a', ...same }, { id: 'b', ...same }, { id: 'c' }]).id).toBe('b');
    expect(
      find(A.slice(0, 20), [
        { id: 'a', ...same },
        { id: 'b', level: 'agreed', artifact: B },
      ]).id,
    ).toBe('a');
    // Of several jobs, where these came to the same.
    const both: Of[] = two('agreed', 'agreed');
    expect(find(A, both).id).toBe('b');
    const state = stateOf(both.map(runOf));
    expect(() => findRun(state, A, { ofOneJob: true })).toThrow('begins several jobs');
  });

  it.each<[string, string, Of[], string[], string, RegExp]>([
    ['that is too short', '1234567', [{ id: '12345678' }], [], 'JOB_UNKNOWN', /too short/],
    ['that there is none of', '12345678', [], ['other'], 'JOB_UNKNOWN', /no job here begins/],
    ['of one that is lost', '12345678', [], ['other', '1234567890'], 'JOB_UNKNOWN', /is lost/],
    [
      'of several jobs, of which one has no verdict',
      '12345678',
      [{ id: '12345678' }, { id: '123456789', level: 'agreed' }],
      [],
      'JOB_AMBIGUOUS',
      /begins several/,
    ],
    [
      'of several jobs',
      '12345678',
      [
        { id: '12345678', level: 'agreed' },
        { id: '123456789', level: 'agreed', artifact: B },
      ],
      [],
      'JOB_AMBIGUOUS',
      /begins several/,
    ],
  ])('%s is refused', async (_name, which, runs, lost, code, says) => {
    expect(await codeOf(() => find(which, runs, lost))).toBe(code);
    expect(() => find(which, runs, lost)).toThrow(says);
  });
});

it('a run of which nothing is to be said has no words for it', async () => {
  const { bench, run } = await leasedRound();
  const { state } = bench.controller;
  const [job = expect.fail('it is there')] = pipelineOf(state, bench.facts(run));
  expect(Object.keys(job).sort()).toEqual(['level', 'name', 'needs', 'run', 'state']);
  const summary = summaryOf(state, bench.facts(run));
  const always = [
    'artifact',
    'commit',
    'job',
    'level',
    'name',
    'open',
    'policy',
    'ref',
    'repo',
    'round',
    'push',
    'run',
    'startedAt',
  ];
  expect(Object.keys(summary).sort()).toEqual([...always, 'state', 'submittedAt'].sort());
});
