import { describe, expect, it } from 'vitest';
import { endings } from '../../../src/core/account/endings.ts';
import {
  type AccountFacts,
  accountLine,
  accountOf,
  type OpenFacts,
} from '../../../src/core/account/index.ts';

const policy = { agree: 2, of: 3, cosign: true };
const run = '2a4b2f15aa'.padEnd(64, '0');
const artifact = 'bafyartifact';

/** Facts of a run of a build, 2 of 3 with a co-signature. */
const facts = (state: string, over: Partial<AccountFacts> = {}): AccountFacts => ({
  ...{ run, state, level: null, policy },
  ...over,
});
/** An open round in which nobody has answered yet: three operators are connected and may take it. */
const open = (over: Partial<OpenFacts> = {}): OpenFacts => ({
  ...{ sealed: 0, building: [], connected: 3, eligible: 3, declined: [], trusted: 'free' },
  ...over,
});
const building = (over: Partial<OpenFacts> = {}) => facts('building', { open: open(over) });
const declined = (...who: [operator: string, reason: string][]) =>
  who.map(([operator, reason]) => ({ operator, reason }));
const done = (level: AccountFacts['level'], over: Partial<AccountFacts> = {}) =>
  facts('done', { level, ...over });
const tess = `12D3KooW${'a'.repeat(36)}TessTess`;
const revoked = { what: 'operator', id: 'ada', since: 7, reason: 'lost laptop' };

/** What is known of a run, and what is said of it. */
const table: [about: string, facts: AccountFacts, line: string][] = [
  // Waiting, and for whom.
  ['a job that reads others', facts('waiting', { awaits: ['lib', 'docs'] }), 'waiting: for lib, docs'],
  [
    'nobody is connected',
    building({ connected: 0, eligible: 0 }),
    'waiting: for an operator: none is connected',
  ],
  [
    'those who are connected came too late or had their turn',
    building({ connected: 2, eligible: 0 }),
    'waiting: for another operator: the 2 that are connected joined after it was published or had a slot of it',
  ],
  [
    'a job that nobody can take',
    building({
      eligible: 2,
      declined: declined(['ada', 'the job wants 64 GiB of memory'], ['bob', 'no virtual machine']),
    }),
    'waiting: for an operator that takes it: ada: the job wants 64 GiB of memory; bob: no virtual machine',
  ],
  [
    'workers that are paused',
    building({ eligible: 1, declined: declined(['ada', 'paused by its operator']) }),
    'waiting: for an operator that takes it: ada: paused by its operator',
  ],
  [
    'many who decline',
    building({
      eligible: 5,
      declined: declined(['a', 'busy'], ['b', 'busy'], ['c', 'busy'], ['d', 'busy'], ['e', 'busy']),
    }),
    'waiting: for an operator that takes it: a: busy; b: busy; c: busy; and 2 more',
  ],
  ['an offer that was made just now', building(), 'waiting: for 3 operators to answer the offer'],
  [
    'an offer that some declined',
    building({ declined: declined(['ada', 'busy with 2 jobs']) }),
    'waiting: for 2 operators to answer the offer',
  ],
  [
    'a controller that stops',
    building({ held: true }),
    'waiting: for the next start of the controller, which is about to stop',
  ],
  [
    'a job that was built before',
    facts('answering'),
    'waiting: it was built before, and the artifact is looked for',
  ],
  [
    'an answer from an earlier build, and no trusted worker is there to sign it',
    facts('answer-cosigning', { open: open() }),
    'waiting: it was built before, and the answer waits for the signature of a trusted worker, and none is connected',
  ],
  [
    'the same where one is there',
    facts('answer-cosigning', { open: open({ trustedConnected: true }) }),
    'waiting: it was built before, and the answer waits for the signature of a trusted worker',
  ],
  [
    'builds that failed, and no trusted worker is there to confirm it',
    facts('awaiting-trusted', { open: open() }),
    'waiting: it failed at 2 operators, which counts once it fails at the trusted worker: it waits for the trusted worker, and none is connected',
  ],
  [
    'a result that may be the fault of its inputs',
    facts('held', { awaits: ['lib'] }),
    'waiting: for lib to be trusted: until then its result may be their fault',
  ],
  [
    'a signature, before anything is published',
    facts('cosigning'),
    'waiting: for the signature of the trusted worker',
  ],

  // Building, and what of it is sealed.
  ['two who build', building({ building: ['ada', 'bob'] }), 'building: by 2 operators: ada, bob'],
  [
    'one who builds, beside a result',
    building({ building: ['bob'], sealed: 1 }),
    'building: by 1 operator: bob; 1 of 3 result is in, sealed',
  ],
  [
    'results without a build, for want of operators',
    building({ sealed: 2, connected: 2, eligible: 0 }),
    'sealed: 2 of 3 results are in, sealed; waiting for another operator: the 2 that are connected joined after it was published or had a slot of it',
  ],

  // Provisional: it was built, and may be nothing in the end.
  [
    'bytes that are being fetched',
    facts('pinning'),
    'provisional: 2 of 3 operators built the same; the bytes are being fetched',
  ],
  [
    'an agreement on what is not trusted itself',
    facts('agreed', { level: 'agreed', awaits: ['lib'], open: open({ trusted: 'delivered' }) }),
    'provisional: 2 of 3 operators built the same; it reads lib, which is not trusted yet',
  ],

  // Agreed, and for whom it waits.
  [
    'no trusted worker is connected',
    facts('agreed', { level: 'agreed', open: open() }),
    'agreed: 2 of 3 operators built the same; it waits for the trusted worker, and none is connected',
  ],
  [
    'the trusted worker builds',
    facts('agreed', {
      level: 'agreed',
      open: open({ trusted: 'building', trustedConnected: true }),
    }),
    'agreed: 2 of 3 operators built the same; the trusted worker builds it',
  ],
  [
    'the trusted worker looks at the evidence',
    facts('cosigning', { level: 'agreed' }),
    'agreed: 2 of 3 operators built the same; it waits for the signature of the trusted worker',
  ],
  [
    'witnesses of the log are missing',
    facts('witnessing', {
      ...{ level: 'agreed', cosigned: false },
      missing: { operators: ['ada'], operatorsNeeded: 2, named: [], namedNeeded: 1 },
    }),
    'agreed: 2 of 3 operators built the same; it waits for witnesses of the log: 1 of 2 operators and 0 of 1 named witnesses have signed',
  ],
  [
    'no trusted worker came in time',
    done('agreed'),
    'agreed: 2 of 3 operators built the same; no trusted worker signed it in time',
  ],
  [
    'a result that is as easily said as made',
    done('agreed', { cosigned: false }),
    'agreed: 2 of 3 operators built the same; nothing more can come of it without a co-signature',
  ],

  // Trusted.
  [
    'an artifact',
    done('trusted', { artifact }),
    'trusted: 2 of 3 operators built the same and the trusted worker co-signed',
  ],
  [
    'an artifact that nobody co-signs',
    done('trusted', { artifact, cosigned: false }),
    'trusted: 2 of 3 operators built the same and witnesses signed the log; nobody co-signed',
  ],
  [
    'the evidence of an earlier run',
    done('trusted', { artifact, earlier: run }),
    'trusted: 2 of 3 operators built the same in an earlier run and the trusted worker co-signed',
  ],
  [
    'what came to be trusted after the trusted worker had contradicted something else',
    done('trusted', { artifact, alarming: true }),
    'trusted: 2 of 3 operators built the same and the trusted worker co-signed; the trusted worker contradicted what operators had agreed on before',
  ],

  [
    'a trusted worker that failed before another one signed',
    done('trusted', { artifact, trustedFailures: [{ worker: tess, says: 'SANDBOX_FAILED: no' }] }),
    'trusted: 2 of 3 operators built the same and the trusted worker co-signed; trusted worker 12D3Koo…ssTess failed: SANDBOX_FAILED: no',
  ],
  [
    'the same where no other one did',
    done('agreed', { trustedFailures: [{ worker: tess, says: 'SANDBOX_FAILED: no' }] }),
    'agreed: 2 of 3 operators built the same; no trusted worker signed it in time; trusted worker 12D3Koo…ssTess failed: SANDBOX_FAILED: no',
  ],
  [
    'a trusted worker that refused before another one signed',
    done('trusted', {
      artifact,
      trustedFailures: [{ worker: tess, says: 'LOG_FORKED: two', refused: true }],
    }),
    'trusted: 2 of 3 operators built the same and the trusted worker co-signed; trusted worker 12D3Koo…ssTess refused to sign: LOG_FORKED: two',
  ],
  [
    'a limit, whatever a trusted worker did',
    done('unfinished', {
      ...{ reason: 'aborted', limit: 'too many files' },
      trustedFailures: [{ worker: tess, says: 'the build was aborted' }],
    }),
    'aborted: too many files',
  ],

  // It came to nothing, as the source says.
  ['a build that fails', done('failed'), 'failed: the build failed at 2 operators and at the trusted worker'],
  [
    'a test that fails',
    done('failed', { test: true, cosigned: false }),
    'failed: the test failed at 2 operators',
  ],
  [
    'builds that were aborted at a limit',
    done('unfinished', { reason: 'aborted', limit: 'the outputs have more than 30000 files (limits.files)' }),
    'aborted: the outputs have more than 30000 files (limits.files)',
  ],

  // Disputed: somebody built something else.
  [
    'four different results',
    done('disputed', { reason: 'results-differ' }),
    'disputed: operators came to different results',
  ],
  [
    'another list of files',
    done('disputed', { reason: 'files-differ' }),
    'disputed: operators list different files for the same tree',
  ],
  [
    'a trusted worker that built something else',
    done('disputed', { reason: 'contradicted', alarming: true }),
    'disputed: the trusted worker built something else',
  ],
  [
    'a trusted worker whose build failed',
    done('disputed', { reason: 'trusted-failed', alarming: true }),
    "disputed: the trusted worker's build failed",
  ],
  [
    'a trusted worker that does not sign',
    done('disputed', { reason: 'cosign-refused' }),
    'disputed: the trusted worker does not sign',
  ],
  [
    'a reason of a newer controller',
    done('disputed', { reason: 'something-new' }),
    'disputed: something-new',
  ],

  // Unfinished: too few could finish, and nobody built something else.
  ['nobody built it', done('unfinished', { reason: 'not-built' }), 'unfinished: no operator built it'],
  [
    'nobody could take it',
    done('unfinished', { reason: 'not-taken' }),
    'unfinished: no operator could take it',
  ],
  ['too few built it', done('unfinished', { reason: 'too-few' }), 'unfinished: too few operators built it'],
  [
    'bytes that are revoked, built again',
    done('unfinished', { reason: 'artifact-revoked' }),
    'unfinished: it came to an artifact that is revoked',
  ],
  [
    'a verdict of before there was this level, which nobody built something else for',
    done('disputed', { reason: 'too-late' }),
    "unfinished: the request's time was up",
  ],
  [
    'the same of nobody having built it',
    done('disputed', { reason: 'not-built' }),
    'unfinished: no operator built it',
  ],

  // It is not there any more, or does not stand.
  ['a controller that lost it', facts('lost'), 'lost: the controller does not know it any more'],
  [
    'its publisher ended it before anybody built it',
    facts('cancelled', { cancelled: 'not needed' }),
    'cancelled: not needed',
  ],
  [
    'its publisher ended it after it was agreed on',
    facts('cancelled', { level: 'agreed', cancelled: 'not needed' }),
    'cancelled: not needed',
  ],
  [
    'who built it was revoked',
    done('trusted', { artifact, revoked }),
    'revoked: the operator ada was revoked from leaf 7 of the log on: lost laptop',
  ],
  [
    'a verdict that is revoked, of which no more is known',
    done('trusted', { revoked: true }),
    'revoked: its verdict does not stand any more',
  ],
  [
    'a cancelled run whose verdict is revoked',
    facts('cancelled', { level: 'agreed', cancelled: 'not needed', revoked }),
    'revoked: the operator ada was revoked from leaf 7 of the log on: lost laptop',
  ],
  ['a phase of a newer controller', facts('dreaming'), 'waiting: dreaming'],
];

describe('the account of a run', () => {
  it.each(table)('%s', (_about, of, line) => {
    expect(accountLine(accountOf(of))).toBe(line);
  });

  it('has no two cases with the same facts', () => {
    expect(new Set(table.map(([, of]) => JSON.stringify(of))).size).toBe(table.length);
  });
});

describe('what to do next', () => {
  const commands = (of: AccountFacts) => accountOf(of).next.flatMap(({ command }) => command ?? []);
  it.each([
    ['trusted', done('trusted', { artifact }), [`quorate fetch ${artifact} -o <folder>`]],
    ['a test that is trusted', done('trusted', { artifact, test: true }), []],
    [
      'disputed',
      done('disputed', { reason: 'results-differ' }),
      ['quorate diff 2a4b2f15aa', 'quorate show 2a4b2f15aa'],
    ],
    ['unfinished', done('unfinished', { reason: 'not-built' }), ['quorate show 2a4b2f15aa']],
    [
      'unfinished for its outputs',
      done('unfinished', { reason: 'outputs-refused' }),
      ['quorate show 2a4b2f15aa'],
    ],
    ['failed', done('failed'), ['quorate logs 2a4b2f15aa']],
    ['cancelled', facts('cancelled', { level: 'agreed', cancelled: 'x' }), ['quorate run --failed']],
    ['revoked for an operator', done('trusted', { revoked }), ['quorate run --rebuild']],
    // Building it again gives the same bytes.
    ['revoked itself', done('trusted', { revoked: { ...revoked, what: 'artifact' } }), []],
    ['building', building({ building: ['ada'] }), []],
  ] as const)('of what is %s', (_about, of, expected) => {
    expect(commands(of)).toEqual(expected);
  });

  it.each(Object.keys(endings))('is said for the ending %s', (reason) => {
    const { level } = endings[reason as keyof typeof endings];
    expect(accountOf(done(level, { reason })).next[0]?.says.length).toBeGreaterThan(20);
  });
});

describe('the alarm', () => {
  const alarms = (of: AccountFacts) => accountOf(of).alarm;
  it.each([
    ['a dispute', done('disputed', { reason: 'results-differ' }), true],
    [
      'a contradiction by the trusted worker, with what was trusted then',
      done('trusted', { alarming: true }),
      true,
    ],
    [
      'a trusted worker that refuses, with what another one signed',
      done('trusted', { trustedFailures: [{ worker: tess, says: 'LOG_FORKED: two', refused: true }] }),
      true,
    ],
    ['one that only fails', done('agreed', { trustedFailures: [{ worker: tess, says: 'no' }] }), false],
    ['a contradiction while others build', building({ building: ['dan'] }), false],
    ['the same, told', { ...building({ building: ['dan'] }), alarming: true as const }, true],
    [
      'a dispute that was looked at',
      done('disputed', { reason: 'results-differ', acknowledged: true }),
      false,
    ],
    ['an old dispute that was none', done('disputed', { reason: 'not-built' }), false],
    ...(['unfinished', 'failed', 'agreed', 'trusted'] as const).map(
      (level) => [level, done(level), false] as [string, AccountFacts, boolean],
    ),
    ['a run that was cancelled', facts('cancelled'), false],
    ['a revoked verdict', done('trusted', { revoked }), false],
  ] as [string, AccountFacts, boolean][])('of %s', (_about, of, expected) => {
    expect(alarms(of)).toBe(expected);
  });
});

it('a run is over when nothing more comes of it by itself', () => {
  for (const [, of] of table)
    expect([of.state, accountOf(of).over]).toEqual([
      of.state,
      ['done', 'cancelled', 'lost'].includes(of.state),
    ]);
});
