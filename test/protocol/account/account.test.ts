import { describe, expect, it } from 'vitest';
import { endings } from '../../../src/protocol/account/endings.ts';
import {
  type AccountFacts,
  accountLine,
  accountOf,
  lostInRestore,
  type OpenFacts,
} from '../../../src/protocol/account/index.ts';

const policy = { agree: 2, of: 3, cosign: true };
const run = '2a4b2f15aa'.padEnd(64, '0');
const artifact = 'bafyartifact';

/** Two operators of a round came to what decides. */
const tally = { ended: 2, failed: 2, same: 2 };
/** Facts of a run of a build, 2 of 3 with a co-signature. */
const facts = (state: string, over: Partial<AccountFacts> = {}): AccountFacts => ({
  run,
  state,
  level: null,
  policy,
  tally,
  ...over,
});
/** An open round in which nobody has answered yet: three operators are connected and may take it. */
const open = (over: Partial<OpenFacts> = {}): OpenFacts => ({
  sealed: 0,
  building: [],
  connected: 3,
  eligible: 3,
  declined: [],
  trusted: 'free',
  ...over,
});
const building = (over: Partial<OpenFacts> = {}) => facts('building', { open: open(over) });
const declined = (...who: [operator: string, reason: string][]) =>
  who.map(([operator, reason]) => ({ operator, reason }));
const done = (level: AccountFacts['level'], over: Partial<AccountFacts> = {}) =>
  facts('done', { level, ...over });
const tess = `12D3KooW${'a'.repeat(36)}TessTess`;
const other = 'b'.repeat(64);
/** Of a run that was built again, to something else. */
const differs = { run: other, made: artifact, other: 'bafyother' };
const repeated = { ...differs, made: 'bafyother', other: artifact, later: true as const };
const freeUntil = Date.UTC(2026, 10, 29, 9, 13, 20);
const revoked = { what: 'operator', id: 'ada', since: 7, reason: 'lost laptop' };

/** Facts of a run, and the line that is told of it. */
const table: [about: string, facts: AccountFacts, line: string][] = [
  [
    'a run that was lost in a restore',
    facts('cancelled', { cancelled: lostInRestore }),
    `lost: ${lostInRestore}`,
  ],
  ['a run that was cancelled', facts('cancelled', { cancelled: 'by ada' }), 'cancelled: by ada'],
  [
    'a build without a policy that is known, of no operators that are counted',
    facts('awaiting-trusted', { open: open({ trusted: 'building' }), policy: undefined, tally: undefined }),
    'waiting: it failed at enough operators, which counts once it fails at the trusted worker: the trusted worker builds it',
  ],
  [
    'a failure at none that are counted',
    facts('awaiting-trusted', {
      open: open({ trusted: 'building' }),
      tally: { ended: 2, failed: 0, same: 0 },
    }),
    'waiting: it failed at 2 or more operators, which counts once it fails at the trusted worker: the trusted worker builds it',
  ],
  [
    'an artifact without a policy that is known',
    facts('pinning', { policy: undefined }),
    'provisional: operators built the same; the bytes are being fetched',
  ],
  ['witnesses, of whom nothing is known', facts('witnessing'), 'waiting: it waits for witnesses of the log'],
  [
    'too few, where nobody counted',
    done('unfinished', { reason: 'too-few', tally: undefined }),
    'unfinished: too few operators built it',
  ],
  [
    'too few, of a policy that is not known',
    done('unfinished', { reason: 'too-few', policy: undefined }),
    'unfinished: too few operators built it',
  ],
  [
    'another ending, with a count',
    done('unfinished', { reason: 'too-late' }),
    "unfinished: the request's time was up",
  ],
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
    'those who are connected had their turn, and when it goes on without another one',
    building({ connected: 2, eligible: 0, late: 0, sealed: 2, freeUntil }),
    'sealed: 2 of 3 results are in, sealed; waiting for another operator: the 2 that are connected had a slot of it; until 09:13:20 UTC, then the round ends',
  ],
  [
    'who is connected came too late',
    building({ connected: 1, eligible: 0, late: 1, freeUntil }),
    'waiting: for another operator: the one that is connected joined after it was published; until 09:13:20 UTC, then the round ends',
  ],
  [
    'one came too late and one had its turn',
    building({ connected: 2, eligible: 0, late: 1 }),
    'waiting: for another operator: the 2 that are connected had a slot of it, or joined after it was published (1)',
  ],
  [
    'a worker that cannot read the job',
    building({ eligible: 1, declined: declined(['ada', 'worker-older']) }),
    'waiting: for an operator that takes it: ada: its version of Quorate is too old for the job or the project; update it',
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
    'builds that were aborted at a limit, where the trusted worker builds',
    facts('awaiting-trusted', {
      open: open({ trusted: 'building' }),
      tally: { ended: 0, failed: 0, aborted: 'outputs: 9 files' },
    }),
    "waiting: builds were aborted (outputs: 9 files), which counts once the trusted worker's is aborted too: the trusted worker builds it",
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
      level: 'agreed',
      cosigned: false,
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

  [
    'of the trusted worker nothing is known',
    facts('agreed', { level: 'agreed' }),
    'agreed: 2 of 3 operators built the same; it waits for the trusted worker',
  ],
  [
    'the trusted worker is connected, and has not begun',
    facts('agreed', { level: 'agreed', open: open({ trustedConnected: true }) }),
    'agreed: 2 of 3 operators built the same; it waits for the trusted worker',
  ],
  [
    'a rebuild that differs, before it is done',
    facts('cosigning', { level: 'agreed', differs }),
    'agreed: 2 of 3 operators built the same; it waits for the signature of the trusted worker',
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
    'trusted: enough operators built the same in an earlier run and the trusted worker co-signed',
  ],
  [
    'an artifact on which more agreed than had to',
    done('trusted', { artifact, tally: { ...tally, same: 3 } }),
    'trusted: 3 of 3 operators built the same and the trusted worker co-signed',
  ],
  [
    'an artifact of a controller that does not count',
    done('trusted', { artifact, tally: undefined }),
    'trusted: 2 or more of 3 operators built the same and the trusted worker co-signed',
  ],
  [
    'an artifact that was built again to another one',
    done('trusted', { artifact, differs }),
    'differs: it was built again, and run bbbbbbbbbb had come to something else; 2 of 3 operators built the same and the trusted worker co-signed',
  ],
  [
    'the one before it',
    done('trusted', { artifact: 'bafyother', differs: repeated }),
    'differs: run bbbbbbbbbb built it again, and came to something else; 2 of 3 operators built the same and the trusted worker co-signed',
  ],
  [
    'the same, once the other one is revoked',
    done('trusted', { artifact, differs: { ...differs, voided: true } }),
    'trusted: 2 of 3 operators built the same and the trusted worker co-signed',
  ],
  [
    'a rebuild that failed',
    done('failed', { differs: { ...differs, made: null } }),
    'failed: the build failed at 2 operators and at the trusted worker; it was built again, and run bbbbbbbbbb had come to something else',
  ],
  [
    'a rebuild that differs and is revoked',
    done('trusted', { artifact, differs, revoked }),
    'revoked: the operator ada was revoked from leaf 7 of the log on: lost laptop',
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
      reason: 'aborted',
      limit: 'too many files',
      trustedFailures: [{ worker: tess, says: 'the build was aborted' }],
    }),
    'aborted: too many files',
  ],

  // It came to nothing, as the source says.
  ['a build that fails', done('failed'), 'failed: the build failed at 2 operators and at the trusted worker'],
  [
    'a build that fails at more operators than have to agree',
    done('failed', { tally: { ...tally, failed: 3 } }),
    'failed: the build failed at 3 operators and at the trusted worker',
  ],
  [
    'a build that fails, told by a controller that does not count',
    done('failed', { tally: undefined }),
    'failed: the build failed at 2 or more operators and at the trusted worker',
  ],
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
  [
    'too few built it',
    done('unfinished', { reason: 'too-few', tally: { ended: 1, failed: 0 } }),
    'unfinished: too few operators built it: 1 did, and 2 have to agree',
  ],
  [
    'builds that were aborted for what they put out',
    done('unfinished', {
      reason: 'aborted',
      tally: { ended: 0, failed: 0, aborted: 'outputs: Rename the file' },
    }),
    'unfinished: no operator could build it: outputs: Rename the file',
  ],
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

describe('the advice of an account', () => {
  const commands = (of: AccountFacts) => accountOf(of).next.flatMap(({ command }) => command ?? []);
  it.each([
    ['trusted', done('trusted', { artifact }), [`quorate fetch ${artifact} -o ../out`]],
    ['a test that is trusted', done('trusted', { artifact, test: true }), []],
    [
      'disputed',
      done('disputed', { reason: 'results-differ' }),
      ['quorate diff 2a4b2f15aa', 'quorate show 2a4b2f15aa'],
    ],
    ['unfinished', done('unfinished', { reason: 'not-built' }), ['quorate show 2a4b2f15aa']],
    ['aborted', done('unfinished', { reason: 'aborted' }), ['quorate logs 2a4b2f15aa']],
    [
      'a rebuild that differs',
      done('trusted', { artifact, differs }),
      [`quorate diff bafyother ${artifact}`, 'quorate try --vary', 'quorate revoke <artifact>'],
    ],
    [
      'what was built again and differs',
      done('trusted', { artifact: 'bafyother', differs: { ...repeated, other: null } }),
      ['quorate show bbbbbbbbbb', 'quorate try --vary', 'quorate revoke <artifact>'],
    ],
    [
      'cancelled, of which the ref is known',
      facts('cancelled', { cancelled: 'x', ref: 'refs/heads/main', commit: 'c'.repeat(40) }),
      ['quorate run --failed --ref main'],
    ],
    [
      'cancelled, by a job file of another repository',
      facts('cancelled', {
        cancelled: 'x',
        ref: 'refs/tags/v1',
        commit: 'c'.repeat(40),
        recipe: { repo: 'https://h/r', commit: 'd'.repeat(40), path: 'q.yaml', sha256: 'e'.repeat(64) },
      }),
      [`quorate run --failed --ref v1 --file https://h/r@${'d'.repeat(40)}:q.yaml`],
    ],
    // No command to copy holds what a shell would run.
    [
      'cancelled, at a ref with a command in it',
      facts('cancelled', { cancelled: 'x', ref: 'refs/heads/a;$(id)', commit: 'c' }),
      [],
    ],
    [
      'cancelled, at a ref like an option',
      facts('cancelled', { cancelled: 'x', ref: 'refs/heads/--url', commit: 'c' }),
      [],
    ],
    [
      'unfinished for its outputs',
      done('unfinished', { reason: 'outputs-refused' }),
      ['quorate logs 2a4b2f15aa'],
    ],
    ['failed', done('failed'), ['quorate logs 2a4b2f15aa']],
    ['cancelled', facts('cancelled', { level: 'agreed', cancelled: 'x' }), ['quorate run --failed']],
    ['revoked for an operator', done('trusted', { revoked }), ['quorate run --rebuild']],
    // Building it again gives the same bytes.
    ['revoked itself', done('trusted', { revoked: { ...revoked, what: 'artifact' } }), []],
    ['building', building({ building: ['ada'] }), []],
    [
      'cancelled, at a ref of no commit',
      facts('cancelled', { cancelled: 'x', ref: 'main' }),
      ['quorate run --failed'],
    ],
    [
      'a rebuild that lists other files of one tree',
      done('trusted', { artifact, differs: { ...differs, other: artifact } }),
      ['quorate show bbbbbbbbbb', 'quorate try --vary', 'quorate revoke <artifact>'],
    ],
    ['trusted, with nothing put out', done('trusted'), []],
    ['disputed, of a run without a name', done('disputed', { run: undefined, reason: 'results-differ' }), []],
  ] as const)('of what is %s', (_about, of, expected) => {
    expect(commands(of)).toEqual(expected);
  });

  it('of what was built again and failed once is to look for a program that its host lacked, before anything is revoked', () => {
    const says = (other: string | null) =>
      accountOf(done('trusted', { artifact, differs: { ...differs, other } })).next.map((step) => step.says);
    const lacked = expect.stringMatching(/^with "image: host" .* nothing to revoke$/);
    const revokes = (words: string) => `${words} the artifact that is wrong, which ends this`;
    const find = 'find what the build depends on';
    expect(says(null)).toEqual(['read what the other one did', lacked, find, revokes('else revoke')]);
    expect(says('bafyother')).toEqual(['compare what they made', find, revokes('revoke')]);
  });

  it('is to start the trusted worker where none is connected, and to leave an artifact that is revoked', () => {
    const next = (of: AccountFacts) => accountOf(of).next.map(({ says }) => says);
    const start = expect.stringMatching(/^start the trusted worker/);
    expect(next(facts('answer-cosigning', { open: open() }))).toEqual([start]);
    expect(next(facts('answer-cosigning', { open: open({ trustedConnected: true }) }))).toEqual([]);
    expect(next(done('trusted', { revoked, artifact }))).toContain('do not use the artifact');
    expect(next(done('trusted', { revoked }))).not.toContain('do not use the artifact');
    // As many results as have to agree may be enough once the round ends.
    const sealed = { connected: 2, eligible: 0, sealed: 2 };
    expect(next(building(sealed))).not.toEqual([]);
    expect(next(building({ ...sealed, freeUntil }))).toEqual([]);
    expect(next(building({ ...sealed, sealed: 1, freeUntil }))).not.toEqual([]);
  });

  it('of operators that decline is to wait where all of them are only busy', () => {
    const step = (...declined: string[]) =>
      accountOf(
        building({ eligible: 2, declined: declined.map((reason, at) => ({ operator: `o${at}`, reason })) }),
      ).next[0]?.says;
    expect(step('busy with 2 jobs', 'busy: not enough cpus free')).toBe('wait until their builds end');
    expect(step('busy with 2 jobs', 'the job wants 64 cpus')).toMatch(/^ask them to resume or to lend more/);
    expect(step('busybody', 'busy')).toMatch(/^ask them/);
  });

  it('of a trusted worker that declines is for where it runs', () => {
    const of = (trustedPassed: string) => {
      const facing = open({ trustedConnected: true, trustedPassed });
      const [step] = accountOf(facts('agreed', { level: 'agreed', open: facing })).next;
      return step?.command ?? step?.says;
    };
    expect(of('paused by its operator')).toBe('quorate worker resume');
    expect(of('busy: not enough cpus free')).toBe('wait until its builds end');
    expect(of('needs 64 cpus')).toBe(
      'have the trusted worker lend what it lacks, or lower what the job asks for',
    );
  });

  it('is told with why builds were aborted', () => {
    const aborted = { ended: 0, failed: 0, aborted: 'outputs: Rename the file' };
    for (const reason of ['aborted', 'outputs-refused'])
      expect(accountLine(accountOf(done('unfinished', { reason, tally: aborted })))).toMatch(
        /: outputs: Rename the file$/,
      );
    expect(accountLine(accountOf(done('unfinished', { reason: 'too-late', tally: aborted })))).not.toMatch(
      /Rename/,
    );
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
    ['a rebuild that differs', done('trusted', { artifact, differs }), true],
    ['what was built again: it is told with the rebuild', done('trusted', { differs: repeated }), false],
    ['a rebuild that differs and was looked at', done('trusted', { differs, acknowledged: true }), false],
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

it('no advice is given while the results that are in may be enough and the round ends by itself', () => {
  const next = (over: Partial<OpenFacts>) =>
    accountOf(building(over)).next.map(({ says }) => says.slice(0, 20));
  const had = { connected: 2, eligible: 0, late: 0 };
  expect(next({ ...had, sealed: 2, freeUntil })).toEqual([]);
  expect(next({ ...had, sealed: 1, freeUntil })).toEqual(['have workers of more']);
  // Publishing again meets the same ones, unless some came after it.
  expect(next({ ...had, late: 1 })[0]).toBe('publish it again, fo');
});

it('the advice to publish again names the commit', () => {
  const of = facts('cancelled', { cancelled: 'x', ref: 'refs/heads/main', commit: 'c'.repeat(40) });
  expect(accountOf(of).next[0]?.says).toBe(
    'publish it again: this builds the commit that main is at by then, which was cccccccccc',
  );
});

it('a run is over when nothing more comes of it by itself', () => {
  for (const [, of] of table)
    expect([of.state, accountOf(of).over]).toEqual([
      of.state,
      ['done', 'cancelled', 'lost'].includes(of.state),
    ]);
});
