import { describe, expect, it } from 'vitest';
import { FollowedRun } from '../../../src/client/commands/next-steps.ts';
import { sayAlarm } from '../../../src/client/commands/run.ts';
import { commandLimits, type Proof, proofOf } from '../../../src/client/commands/run-evidence.ts';
import { openRevocationBook } from '../../../src/node/membership/revocation-file.ts';
import { codeOf, QuorateError } from '../../../src/protocol/base/errors.ts';
import { type Bundle, claimedPayloadOf, type Request } from '../../../src/protocol/documents/index.ts';
import type { Progress } from '../../../src/protocol/wire/progress.ts';
import type { Context } from '../../../src/terminal/context.ts';
import { exits } from '../../../src/terminal/exit-codes.ts';
import { Output } from '../../../src/terminal/output.ts';
import { sink } from '../../cli/screen.ts';
import { folder } from '../../cli/support.ts';
import { makeAnswer } from '../../support/answers.ts';
import {
  cidOf,
  exit,
  makeProject,
  nonceOf,
  type Project,
  project,
  type Recipe,
  revocationBy,
  root,
  trusted,
  workerKey,
} from '../../support/project.ts';
import { withLimits } from '../../support/with-limits.ts';

/** The key of a controller is stolen. It tells of runs, whose evidence is real, what `quorate run` once believed. */

const again = (more: Recipe = {}): Promise<Project> =>
  makeProject({ request: (valid) => ({ ...valid, jti: nonceOf('again'), rebuild: true }), ...more });
const built = (builds: string): Recipe => ({
  runs: ['ada', 'bob', 'cyd'].map((operator) => ({ operator, builds })),
  own: { operator: 'owner', builds },
});

/** The evidence of a run, and of an earlier one that the controller calls the same: a code where it proves nothing, or what it shows. */
async function found(
  own: Project,
  earlier: Project,
  over: { is?: Project; shows?: Project } = {},
  home = folder(),
) {
  withLimits(commandLimits, { storedMsMax: 0 });
  const { is = earlier, shows = earlier } = over;
  const bundle = async (which: string) => {
    if (which === own.request.id) return { bundle: own.bundle, text: '' };
    if (which === is.request.id) return { bundle: shows.bundle, text: '' };
    throw new QuorateError('BUNDLE_NOT_FOUND', 'no');
  };
  const repeated: Extract<Progress, { kind: 'repeated' }> = {
    kind: 'repeated',
    earlier: earlier.request.id,
    decidedAt: 1,
    same: true,
    artifact: own.artifact,
    before: own.artifact,
  };
  const context = { home, out: new Output(sink(), sink(), { json: false, colour: false }) };
  const verdict = { level: 'trusted', artifact: own.artifact } as const;
  const told = { job: { run: own.request.id, asked: own.request.payload }, verdict, repeated };
  const signal = AbortSignal.timeout(60_000);
  const proof = (await proofOf(context, { bundle, project }, [told], signal)).get(told);
  return proof?.why === undefined
    ? proof?.shows.filter(({ kind }) => kind === 'repeated')
    : codeOf(proof.why);
}

const differing = (own: Project, earlier: Project, same = false) => [
  expect.objectContaining({ same, artifact: own.artifact, before: earlier.artifact }),
];

describe('a controller that calls a rebuild the same', () => {
  it('as a run that made other bytes, or lists other files', async () => {
    const own = await again();
    const other = await makeProject(built('other'));
    expect(await found(own, other)).toEqual(differing(own, other));
    const files = await makeProject({ files: [{ path: 'app', sha256: 'a'.repeat(64) }] });
    expect(files.artifact).toBe(own.artifact);
    expect(await found(own, files)).toEqual(differing(own, files));
  });

  it('as one that failed', async () => {
    const outcome = exit(null, 1);
    const runs = ['ada', 'bob', 'cyd'].map((operator) => ({ operator, outcome }));
    const failed = await makeProject({ runs, own: { operator: 'owner', outcome } });
    const own = await again();
    expect(await found(own, failed)).toEqual(differing(own, failed));
  });

  it('is believed where it is, by an agreed run too', async () => {
    const own = await again();
    expect(await found(own, await makeProject())).toEqual(differing(own, own, true));
    const agreed = await makeProject({ own: null, level: 'agreed' });
    expect(await found(own, agreed)).toEqual(differing(own, own, true));
  });

  it('and shows no evidence of that one, or that of another', async () => {
    const own = await again();
    const earlier = await makeProject();
    expect(await found(own, earlier, { is: own })).toBe('BUNDLE_NOT_FOUND');
    const another = await makeProject({ request: (valid) => ({ ...valid, jti: nonceOf('third') }) });
    expect(await found(own, earlier, { shows: another })).toBe('RUN_MISMATCH');
  });

  it('as itself, as an answer from itself, as a run of another job, or as one of which nothing came', async () => {
    const own = await again();
    expect(await found(own, own)).toBe('RUN_MISMATCH');
    const answer = await makeAnswer({ from: own, cosigner: trusted });
    const answered = { ...own, bundle: answer.bundle, request: { ...own.request, id: answer.request } };
    expect(await found(own, answered)).toBe('RUN_MISMATCH');
    expect(await found(own, await makeProject({ job: { name: 'other' } }))).toBe('RUN_MISMATCH');
    const runs = ['ada', 'bob', 'cyd'].map((operator) => ({ operator, builds: operator }));
    const none = await makeProject({ runs, own: null, level: 'disputed' });
    expect(await found(own, none)).toBe('RUN_NOT_TRUSTED');
  });

  it('as one whose verdict is void by now, which shows what it was about', async () => {
    const own = await again();
    const operators = ['gus', 'hal', 'ida'];
    const home = folder();
    const book = await openRevocationBook(home, project, () => {});
    const voided = await Promise.all(
      operators.map((name) => revocationBy(root, { kind: 'key', id: workerKey(name).id })),
    );
    await book.learn({ charters: [own.charter.raw], revocations: voided.map(({ raw }) => raw) });
    const earlier = (builds: string) =>
      makeProject({ ...built(builds), runs: operators.map((operator) => ({ operator, builds })) });
    expect(await found(own, await earlier('good'), {}, home)).toEqual(differing(own, own, true));
    const other = await earlier('other');
    expect(await found(own, other, {}, home)).toEqual(differing(own, other));
  });
});

describe('a controller that tells of no contradiction', () => {
  const rounds: Recipe = {
    runs: [
      ...['ada', 'bob', 'cyd'].map((operator) => ({ operator, builds: 'bad' })),
      ...['dan', 'eve', 'fay'].map((operator) => ({ operator, round: 2 })),
    ],
  };

  const shown = async (own: {
    artifact: string | null;
    bundle: Bundle;
    request: { id: string; payload: Request };
  }) => {
    const context = { home: folder(), out: new Output(sink(), sink(), { json: false, colour: false }) };
    const verdict = { level: 'trusted', artifact: own.artifact } as const;
    const told = { job: { run: own.request.id, asked: own.request.payload }, verdict };
    const client = { project, bundle: async () => ({ bundle: own.bundle, text: '' }) };
    const signal = AbortSignal.timeout(60_000);
    return (await proofOf(context, client, [told], signal)).get(told);
  };
  const verdictOf = ({ artifact }: { artifact: string | null }) =>
    ({ kind: 'verdict', level: 'trusted', artifact }) as const;
  const onlyVerdict = (own: Project) => ({ why: undefined, shows: [verdictOf(own)] });

  it('shows it in the evidence of the run', async () => {
    const own = await makeProject(rounds);
    const proof = await shown(own);
    const contradicted = { kind: 'contradicted', round: 1, artifact: cidOf('bad'), trusted: own.artifact };
    expect(proof).toEqual({ why: undefined, shows: [contradicted, verdictOf(own)] });
    const followed = new FollowedRun(own.request.id);
    followed.take(verdictOf(own));
    for (const progress of proof?.shows ?? []) followed.take(progress);
    expect(followed.facts).toMatchObject({ state: 'done', level: 'trusted', alarming: true });
    const alarm = async (by?: Proof) => {
      const stderr = sink();
      const out = new Output(sink(), stderr, { json: false, colour: false });
      const signal = AbortSignal.timeout(60_000);
      const context = { out, signal } as unknown as Context;
      expect(await sayAlarm(context, {} as never, followed, signal, by)).toBe(exits.lookAt);
      return stderr.text();
    };
    expect(await alarm(proof)).toMatch(/^ALARM: the trusted worker contradicts/);
    // Told, and not shown.
    for (const by of [undefined, { why: undefined, shows: [verdictOf(own)] }])
      expect(await alarm(by)).toMatch(/^ALARM: the controller says that the trusted worker contradicts/);
  });

  it('an operator that was alone with another result contradicts nobody', async () => {
    const runs = [{ operator: 'ada', builds: 'bad' }, { operator: 'bob' }, { operator: 'cyd' }];
    const own = await makeProject({ runs });
    expect(await shown(own)).toEqual(onlyVerdict(own));
  });

  it('nor had those of different rounds, or whose builds failed', async () => {
    const failing = rounds.runs?.map((run) => (run.round === 2 ? run : { ...run, outcome: exit(null, 1) }));
    const failed = await makeProject({ runs: failing ?? [] });
    expect(await shown(failed)).toEqual(onlyVerdict(failed));
    const runs = [
      ...[{ operator: 'ada', builds: 'bad' }, { operator: 'bob' }, { operator: 'cyd', builds: 'other' }],
      ...[{ operator: 'dan', builds: 'bad' }, { operator: 'eve' }, { operator: 'fay' }].map((run) => ({
        ...run,
        round: 2,
      })),
    ];
    const own = await makeProject({ runs });
    expect(await shown(own)).toEqual(onlyVerdict(own));
  });

  it('and answers from an earlier run tells that of no second one', async () => {
    const from = await makeProject(rounds);
    const { bundle, request: id } = await makeAnswer({ from, cosigner: trusted });
    const payload = claimedPayloadOf('request', bundle.request) as Request;
    const answer = { bundle, request: { id, payload }, artifact: from.artifact };
    expect(await shown(answer)).toEqual(onlyVerdict(from));
  });
});
