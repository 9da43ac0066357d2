import { exited } from '../../../../simulations/paperwork.ts';
import { aborted, failed, timings } from '../../machine/bench.ts';
import { answer } from '../../machine/evidence.ts';
import { ofRun, type Scene, withoutResult } from './scene.ts';
import { builtBefore, cosignNone, lantern, lenders, Story, six, tooManyFiles, wick } from './story.ts';
import { junit } from './texts.ts';

const other = { ...lantern, 'share/README': 'Light it first, on Mondays.\n' };
const third = { ...lantern, 'share/README': 'Light it first, at 14:02:11.\n' };
const refusedOutput = {
  kind: 'aborted',
  reason: 'outputs',
  detail: 'STORE_NAME_REFUSED: share/a\\tb has a tab in its name. Rename the file',
} as const;

/** A trusted run, and its time is over for what comes after. */
async function trusted(story: Story): Promise<string> {
  const run = await story.publish('build');
  await story.trusted(run, await story.tree(lantern));
  return run;
}

/** A trusted artifact that is built again, to something else. */
async function rebuilt(story: Story): Promise<[before: string, after: string]> {
  const before = await trusted(story);
  story.bench.store(before);
  story.pass(600);
  const after = await story.publish('build', { rebuild: true });
  await story.trusted(after, await story.tree(other));
  return [before, after];
}

/** The time passes after which a free slot is given up. */
const roundEnds = (story: Story) => story.pass((timings.windowMs + timings.slotFillMs) / 1000);

const isTrusted: readonly Scene[] = [
  ofRun('trusted', 'trusted', 'operators and the trusted worker made the same bytes', trusted),
  ofRun('trusted-dissent', 'trusted', 'the same, and one operator came to something else', async (story) => {
    const run = await story.publish('build');
    const tree = await story.tree(lantern);
    await story.build(run, { alice: tree, bob: await story.tree(other), carol: tree, trusted: tree });
    story.fetched(run);
    await story.signed(run);
    return run;
  }),
  ofRun('trusted-witnessed', 'trusted', 'nobody co-signs, and witnesses signed the log', async (story) => {
    const run = await story.publish('build', { policy: cosignNone });
    await story.trusted(run, await story.tree(lantern));
    return run;
  }),
  ofRun('trusted-test', 'trusted', 'a test that passed', async (story) => {
    const run = await story.publish('unit', { kind: 'test', policy: cosignNone });
    await story.trusted(run, await story.tree({ 'junit.xml': junit(0) }));
    return run;
  }),
  ofRun('trusted-earlier', 'trusted', 'the evidence of an earlier run is enough', async (story) => {
    const run = await builtBefore(story);
    await answer(story.bench, run);
    return run;
  }),
  ofRun(
    'trusted-second-round',
    'trusted',
    'the trusted worker contradicted what operators had agreed on before',
    async (story) => {
      const run = await story.publish('build', { policy: { rounds: 2 } });
      const [wrong, right] = [await story.tree(other), await story.tree(lantern)];
      await story.build(run, { alice: wrong, bob: wrong, carol: wrong });
      story.fetched(run);
      await story.build(run, { trusted: right });
      await story.build(run, { dave: right, erin: right, frank: right });
      story.fetched(run);
      await story.signed(run);
      return run;
    },
    { operators: six },
  ),
  ofRun(
    'trusted-second-try',
    'trusted',
    'one trusted worker failed, and another one signed',
    async (story) => {
      await story.secondTrusted();
      const run = await story.publish('build');
      await story.build(run, { trusted: aborted });
      const tree = await story.tree(lantern);
      await story.build(run, { alice: tree, bob: tree, carol: tree, second: tree });
      story.fetched(run);
      await story.signed(run, 'second');
      return run;
    },
  ),
];

const contradicts: readonly Scene[] = [
  ofRun(
    'differs-later',
    'differs',
    'it was built again, and came to something else',
    async (story) => (await rebuilt(story))[1],
  ),
  ofRun(
    'differs-earlier',
    'differs',
    'another run built it again, to something else',
    async (story) => (await rebuilt(story))[0],
  ),
  ofRun('failed', 'failed', 'the build failed at operators and at the trusted worker', async (story) => {
    const run = await story.publish('build', { push: { subject: 'Trim the wick' } });
    await story.build(run, { alice: failed, bob: failed, carol: failed, trusted: failed });
    await story.signed(run);
    return run;
  }),
  ofRun('failed-test', 'failed', 'a test failed, and left its results as JUnit', async (story) => {
    const run = await story.publish('unit', {
      kind: 'test',
      policy: cosignNone,
      push: { subject: 'Trim the wick' },
    });
    const { artifact } = await story.tree({ 'junit.xml': junit(2) });
    const as = { ...failed, artifact } as typeof failed;
    await story.build(run, Object.fromEntries(lenders.map((key) => [key, as])));
    return run;
  }),
  ofRun('failed-again', 'failed', 'it was built again, and failed', async (story) => {
    const before = await trusted(story);
    story.bench.store(before);
    story.pass(600);
    const run = await story.publish('build', { rebuild: true });
    await story.build(run, { alice: failed, bob: failed, carol: failed, trusted: failed });
    await story.signed(run);
    return run;
  }),
  ofRun(
    'aborted',
    'aborted',
    'builds were aborted at a limit of the job',
    async (story) => {
      const run = await story.publish('build');
      await story.build(run, { alice: tooManyFiles, trusted: tooManyFiles });
      return run;
    },
    { ending: 'aborted' },
  ),
];

const disputed: readonly Scene[] = [
  withoutResult('results-differ', 'disputed', 'operators came to different results', async (story) => {
    const run = await story.publish('build', { policy: { agree: 3 } });
    const tree = await story.tree(lantern);
    await story.build(run, {
      alice: tree,
      bob: await story.tree(other),
      carol: await story.tree(third),
      trusted: tree,
    });
    return run;
  }),
  withoutResult('files-differ', 'disputed', 'operators list other files for the same tree', async (story) => {
    const run = await story.publish('build', { policy: { agree: 3 } });
    const as = await story.tree(lantern);
    const files = (digit: string) => [{ path: 'share/README', sha256: digit.repeat(64) }];
    await story.build(run, {
      alice: { as, files: files('1') },
      bob: { as, files: files('2') },
      carol: { as, files: files('3') },
    });
    return run;
  }),
  withoutResult('contradicted', 'disputed', 'the trusted worker built something else', async (story) => {
    const run = await story.publish('build');
    const wrong = await story.tree(other);
    await story.build(run, { alice: wrong, bob: wrong, carol: wrong });
    story.fetched(run);
    await story.build(run, { trusted: await story.tree(lantern) });
    return run;
  }),
  withoutResult('trusted-failed', 'disputed', "the trusted worker's build failed", async (story) => {
    const run = await story.publish('build');
    const tree = await story.tree(lantern);
    await story.build(run, { alice: tree, bob: tree, carol: tree });
    story.fetched(run);
    await story.build(run, { trusted: failed });
    return run;
  }),
  withoutResult('cosign-refused', 'disputed', 'the trusted worker does not sign', async (story) => {
    const run = await story.publish('build');
    const tree = await story.tree(lantern);
    await story.build(run, { alice: tree, bob: tree, carol: tree, trusted: tree });
    story.fetched(run);
    const code = 'COSIGN_RESULT_MISMATCH';
    const message = 'the evidence shows another tree than this worker built';
    story.bench.send({ kind: 'cosign-refused', run, worker: story.bench.id('trusted'), code, message });
    return run;
  }),
];

/** Of the state and the reason of `disputed-results-differ`; the first difference is of another kind. */
const otherDifferences: readonly Scene[] = [
  otherFiles('disputed-bytes', 'operators came to different bytes', 'bin/lantern', [
    program('14:02:11'),
    program('14:02:13'),
  ]),
  otherFiles('disputed-missing', 'one operator put out a file that others did not', 'share/lantern.log', [
    undefined,
    'started\nlit\n',
  ]),
];

function otherFiles(
  name: string,
  about: string,
  file: string,
  [usual, bobs]: [string | undefined, string],
): Scene {
  return {
    name,
    about,
    async play(store) {
      const story = await Story.of(store);
      const run = await story.publish('build', { policy: { agree: 3 } });
      const tree = await story.tree({ ...lantern, ...(usual !== undefined && { [file]: usual }) });
      await story.build(run, {
        alice: tree,
        bob: await story.tree({ ...lantern, [file]: bobs }),
        carol: tree,
      });
      return { story, run };
    },
  };
}

function program(at: string): string {
  return `\u007fELF\u0002\u0001\u0001\0${'\0'.repeat(56)}built ${at}\0`;
}

const unfinished: readonly Scene[] = [
  withoutResult('aborted', 'unfinished', 'no operator could build it', async (story) => {
    const run = await story.publish('build', { policy: cosignNone });
    await story.build(run, { alice: aborted, bob: aborted, carol: aborted });
    roundEnds(story);
    return run;
  }),
  withoutResult(
    'outputs-refused',
    'unfinished',
    'its outputs have a name that no artifact can have',
    async (story) => {
      const run = await story.publish('build', { policy: cosignNone });
      await story.build(run, { alice: refusedOutput, bob: refusedOutput, carol: refusedOutput });
      roundEnds(story);
      return run;
    },
  ),
  withoutResult('not-taken', 'unfinished', 'no operator could take it', async (story) => {
    const run = await story.publish('build');
    story.passes('alice', run, 'the job wants 64 cpus, the host lends 2');
    story.passes('bob', run, 'no virtual machine');
    roundEnds(story);
    return run;
  }),
  withoutResult(
    'not-built',
    'unfinished',
    'no operator built it',
    async (story) => {
      const run = await story.publish('build');
      roundEnds(story);
      return run;
    },
    [],
  ),
  withoutResult(
    'build-failed',
    'unfinished',
    'it failed, and no trusted worker has confirmed it',
    async (story) => {
      const run = await story.publish('build', { policy: cosignNone });
      await story.build(run, { alice: failed, bob: failed, carol: failed });
      return run;
    },
  ),
  withoutResult('too-few', 'unfinished', 'fewer operators built it than have to agree', async (story) => {
    const run = await story.publish('build', { policy: cosignNone });
    const tree = await story.tree(lantern);
    await story.build(run, { alice: tree, bob: aborted, carol: aborted });
    roundEnds(story);
    return run;
  }),
  withoutResult('not-served', 'unfinished', 'no peer serves what was agreed on', async (story) => {
    const run = await story.publish('build', { policy: cosignNone });
    const tree = await story.tree(lantern);
    await story.build(run, { alice: tree, bob: tree, carol: tree });
    for (let n = 0; n < timings.pinTriesMax; n++) {
      story.bench.pinned(run, false);
      story.pass(timings.pinRetryMs / 1000);
    }
    return run;
  }),
  withoutResult('artifact-revoked', 'unfinished', 'it came to an artifact that is revoked', async (story) => {
    const tree = await story.tree(lantern);
    await story.bench.revoke(
      { kind: 'artifact', id: tree.artifact },
      { reason: 'it deletes files of its users' },
    );
    const run = await story.publish('build');
    await story.build(run, { alice: tree, bob: tree, carol: tree });
    return run;
  }),
  withoutResult('too-late', 'unfinished', 'a test failed on what was not trusted in time', async (story) => {
    const library = await story.publish('library');
    const needs: Record<string, [string]> = { library: [library] };
    const run = await story.publish('unit', { kind: 'test', policy: cosignNone, needs, seconds: 60 });
    const tree = await story.tree(wick);
    await story.build(library, { alice: tree, bob: tree, carol: tree });
    story.fetched(library);
    await story.build(run, { alice: failed, bob: failed, carol: failed });
    story.pass(60);
    return run;
  }),
];

const over: readonly Scene[] = [
  ofRun('agreed-uncosigned', 'agreed', 'a test that left no file stays agreed', async (story) => {
    const run = await story.publish('lint', { kind: 'test', policy: cosignNone });
    const nothing = exited(null);
    await story.build(run, { alice: nothing, bob: nothing, carol: nothing });
    return run;
  }),
  ofRun('agreed-unsigned', 'agreed', 'no trusted worker came in time', async (story) => {
    story.leaves('trusted');
    const run = await story.publish('build', { seconds: 60 });
    const tree = await story.tree(lantern);
    await story.build(run, { alice: tree, bob: tree, carol: tree });
    story.fetched(run);
    story.pass(90);
    return run;
  }),
  ofRun('cancelled', 'cancelled', 'its publisher cancelled it', async (story) => {
    const run = await story.publish('build', { push: { branch: 'try/two-wicks', subject: 'Try two wicks' } });
    const leases = await story.lease(run, ...lenders);
    await story.deliver(leases, { alice: await story.tree(lantern) });
    story.cancel(run, 'wrong branch');
    return run;
  }),
  {
    name: 'lost',
    about: 'the journal of the controller was restored from a copy',
    state: 'lost',
    async play(store) {
      const story = await Story.of(store);
      const run = await story.publish('build');
      const leases = await story.lease(run, ...lenders);
      const events = story.bench.journal.length;
      await story.deliver(leases, { alice: await story.tree(lantern) });
      return { story: await story.restored(events), run };
    },
  },
  ofRun('revoked-operator', 'revoked', 'an operator that it needs was revoked', async (story) => {
    const run = await story.publish('build', { policy: { agree: 3 } });
    await story.trusted(run, await story.tree(lantern));
    await story.bench.revoke({ kind: 'operator', id: 'bob' }, { since: 0, reason: 'lost laptop' });
    return run;
  }),
  ofRun('revoked-artifact', 'revoked', 'its artifact was revoked', async (story) => {
    const run = await trusted(story);
    const { artifact } = await story.tree(lantern);
    await story.bench.revoke(
      { kind: 'artifact', id: artifact },
      { since: 0, reason: 'it deletes files of its users' },
    );
    return run;
  }),
  ofRun('revoked-job', 'revoked', 'its job was revoked', async (story) => {
    const run = await trusted(story);
    await story.bench.revoke(
      { kind: 'job', id: story.bench.facts(run).jobId },
      { since: 0, reason: 'the source was changed by a thief' },
    );
    return run;
  }),
];

/** Runs that have ended, by how. */
export const endedRuns: readonly Scene[] = [
  ...isTrusted,
  ...contradicts,
  ...disputed,
  ...otherDifferences,
  ...unfinished,
  ...over,
];
