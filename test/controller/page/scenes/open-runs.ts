import { failed } from '../../machine/bench.ts';
import { ofRun, type Scene } from './scene.ts';
import { builtBefore, cosignNone, lantern, type Story, tooManyFiles, wick } from './story.ts';

const wants = { cpus: 64, memoryBytes: 2 ** 36, diskBytes: 2 ** 30, pids: 64, seconds: 600 };

/** A library that is agreed on, and a job that reads it. */
async function reader(story: Story): Promise<string> {
  const library = await story.publish('library');
  const run = await story.publish('build', { needs: { library: [library] } });
  const tree = await story.tree(wick);
  await story.build(library, { alice: tree, bob: tree, carol: tree });
  story.fetched(library);
  return run;
}

/** Operators agree on a build, without the trusted worker's. */
async function agreed(story: Story, { isWatched = true } = {}): Promise<string> {
  if (!isWatched) story.leaves('trusted');
  const run = await story.publish('build');
  const tree = await story.tree(lantern);
  await story.build(run, { alice: tree, bob: tree, carol: tree });
  story.fetched(run);
  return run;
}

/** Runs that have not ended, by what they wait for. */
export const openRuns: readonly Scene[] = [
  ofRun('waiting-no-operator', 'waiting', 'no operator is connected', (story) => story.publish('build'), {
    operators: [],
  }),
  ofRun(
    'waiting-joined-later',
    'waiting',
    'the only operator joined after it was published',
    async (story) => {
      const run = await story.publish('build');
      await story.bench.members('alice');
      story.bench.present('alice');
      story.pass(5);
      return run;
    },
    { operators: [] },
  ),
  ofRun('waiting-declined', 'waiting', 'all operators decline, each with a reason', async (story) => {
    const run = await story.publish('build', { job: { limits: wants } });
    story.passes('alice', run, 'paused by its operator');
    story.passes('bob', run, 'the job wants 64 cpus, the host lends 2');
    story.passes('carol', run, 'the job wants 64 GiB of memory, the host lends 2 GiB');
    return run;
  }),
  ofRun('waiting-answer', 'waiting', 'it was published just now', (story) => story.publish('build')),
  ofRun('waiting-restart', 'waiting', 'the controller is about to stop', (story) => {
    story.bench.send({ kind: 'drain' });
    return story.publish('build');
  }),
  ofRun('waiting-inputs', 'waiting', 'it reads what other jobs make', async (story) => {
    const library = await story.publish('library');
    const docs = await story.publish('docs');
    const run = await story.publish('build', { needs: { library: [library], docs: [docs] } });
    story.pass(6, await story.lease(library, 'alice', 'bob'));
    return run;
  }),
  ofRun('waiting-looked-for', 'waiting', 'it was built before, and the artifact is looked for', builtBefore),
  ofRun('waiting-answer-signed', 'waiting', 'it was built before, and is to be signed', async (story) => {
    const run = await builtBefore(story);
    story.bench.pinned(run);
    return run;
  }),
  ofRun('waiting-answer-away', 'waiting', 'the same, and no trusted worker is connected', async (story) => {
    const run = await builtBefore(story);
    story.bench.pinned(run);
    story.leaves('trusted');
    return run;
  }),
  ofRun(
    'waiting-failure-built',
    'waiting',
    'it failed at operators; the trusted worker builds',
    async (story) => {
      const run = await story.publish('build');
      const leases = await story.lease(run, 'alice', 'bob', 'carol', 'trusted');
      await story.deliver(leases, { alice: failed, bob: failed, carol: failed });
      story.pass(2, leases);
      return run;
    },
  ),
  ofRun(
    'waiting-failure-away',
    'waiting',
    'it failed at operators; no trusted worker is connected',
    async (story) => {
      story.leaves('trusted');
      const run = await story.publish('build');
      await story.build(run, { alice: failed, bob: failed, carol: failed });
      return run;
    },
  ),
  ofRun(
    'waiting-limit-built',
    'waiting',
    'it was aborted at a limit; the trusted worker builds',
    async (story) => {
      const run = await story.publish('build');
      const leases = await story.lease(run, 'alice', 'bob', 'carol', 'trusted');
      await story.deliver(leases, { alice: tooManyFiles, bob: tooManyFiles, carol: tooManyFiles });
      story.pass(2, leases);
      return run;
    },
  ),
  ofRun('waiting-inputs-trusted', 'waiting', 'it failed on what is not trusted yet', async (story) => {
    const run = await reader(story);
    await story.build(run, { alice: failed, bob: failed, carol: failed, trusted: failed });
    return run;
  }),
  ofRun('waiting-signature', 'waiting', 'it failed everywhere, and is to be signed', async (story) => {
    const run = await story.publish('build');
    await story.build(run, { alice: failed, bob: failed, carol: failed, trusted: failed });
    return run;
  }),
  ofRun('waiting-witnesses', 'waiting', 'nobody co-signs, and the log is to be witnessed', async (story) => {
    story.bench.witnessing = false;
    const run = await story.publish('build', { policy: cosignNone });
    const tree = await story.tree(lantern);
    await story.build(run, { alice: tree, bob: tree, carol: tree });
    story.fetched(run);
    return run;
  }),
  ofRun('building', 'building', 'two operators and the trusted worker build', async (story) => {
    const run = await story.publish('build');
    story.pass(5, await story.lease(run, 'alice', 'bob', 'trusted'));
    return run;
  }),
  ofRun('building-sealed', 'building', 'one operator builds, and two results are in', async (story) => {
    const run = await story.publish('build');
    const leases = await story.lease(run, 'alice', 'bob', 'carol', 'trusted');
    const tree = await story.tree(lantern);
    await story.deliver(leases, { alice: tree, bob: tree });
    story.pass(4, leases);
    return run;
  }),
  ofRun(
    'sealed',
    'sealed',
    'two results are in, and nobody is there for the third',
    async (story) => {
      const run = await story.publish('build');
      const tree = await story.tree(lantern);
      await story.build(run, { alice: tree, bob: tree });
      return run;
    },
    { operators: ['alice', 'bob'] },
  ),
  ofRun(
    'provisional-fetching',
    'provisional',
    'operators agree, and the bytes are fetched',
    async (story) => {
      const run = await story.publish('build');
      const tree = await story.tree(lantern);
      await story.build(run, { alice: tree, bob: tree, carol: tree });
      return run;
    },
  ),
  ofRun(
    'provisional-input',
    'provisional',
    'operators agree, on what is not trusted itself',
    async (story) => {
      const run = await reader(story);
      const tree = await story.tree(lantern);
      await story.build(run, { alice: tree, bob: tree, carol: tree });
      story.fetched(run);
      return run;
    },
  ),
  ofRun('agreed-away', 'agreed', 'no trusted worker is connected', (story) =>
    agreed(story, { isWatched: false }),
  ),
  ofRun('agreed-waits', 'agreed', 'the trusted worker has not begun', agreed),
  ofRun('agreed-paused', 'agreed', 'the trusted worker is paused', async (story) => {
    const run = await story.publish('build');
    story.passes('trusted', run, 'paused by its operator');
    const tree = await story.tree(lantern);
    await story.build(run, { alice: tree, bob: tree, carol: tree });
    story.fetched(run);
    return run;
  }),
  ofRun('agreed-built', 'agreed', 'the trusted worker builds', async (story) => {
    const run = await story.publish('build');
    const leases = await story.lease(run, 'alice', 'bob', 'carol', 'trusted');
    const tree = await story.tree(lantern);
    await story.deliver(leases, { alice: tree, bob: tree, carol: tree });
    story.fetched(run);
    story.pass(2, leases);
    return run;
  }),
  ofRun('agreed-signature', 'agreed', 'the trusted worker looks at the evidence', async (story) => {
    const run = await agreed(story);
    await story.build(run, { trusted: await story.tree(lantern) });
    return run;
  }),
  ofRun('agreed-witnesses', 'agreed', 'nobody co-signs, and witnesses are missing', async (story) => {
    story.bench.witnessing = false;
    const run = await story.publish('build', { policy: cosignNone });
    const tree = await story.tree(lantern);
    await story.build(run, { alice: tree, bob: tree, carol: tree });
    story.fetched(run);
    story.bench.witness(run, { keys: ['alice'] });
    return run;
  }),
];
