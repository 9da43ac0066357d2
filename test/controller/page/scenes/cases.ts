import type { Policy } from '../../../../src/protocol/documents/index.ts';
import { aborted, failed } from '../../machine/bench.ts';
import type { Scene } from './scene.ts';
import { cosignNone, lantern, lenders, Story, six } from './story.ts';
import { cutLog, failingLog, hostile, hostileWord, junit } from './texts.ts';

const longest =
  'feature/2026-11-migrate-every-single-lantern-of-the-northern-coast-to-the-new-wick-and-oil-supply-format-part-2-of-7';

/** Eleven branches, in as many states as there are; one has a long name. */
async function branches(story: Story): Promise<void> {
  const tree = await story.tree(lantern);
  const others = await Promise.all(
    [1, 2, 3].map((n) => story.tree({ ...lantern, 'share/README': `Version ${n}\n` })),
  );
  const [one, two, three] = others as [typeof tree, typeof tree, typeof tree];
  const publish = (branch: string, subject: string, over: Parameters<Story['publish']>[1] = {}) =>
    story.publish('build', { push: { branch, subject }, seconds: 40_000, ...over });
  const gone = await publish('release/1.0', 'Release 1.0');
  await story.trusted(gone, one);
  await story.bench.revoke(
    { kind: 'artifact', id: one.artifact },
    { since: 0, reason: 'it deletes files of its users' },
  );
  const cancelled = await publish('try/two-wicks', 'Try two wicks');
  story.cancel(cancelled, 'wrong branch');
  const bad = await publish('fix/draught', 'Close the draught');
  await story.build(bad, { alice: failed, bob: failed, carol: failed, trusted: failed });
  await story.signed(bad);
  const disputed = await publish(longest, 'Migrate the lanterns of the northern coast', {
    policy: { agree: 3 },
  });
  await story.build(disputed, { alice: one, bob: two, carol: three, trusted: one });
  const died = await publish('big-lamp', 'A lamp of 4 GB', { policy: cosignNone });
  await story.build(died, { alice: aborted, bob: aborted, carol: aborted });
  story.pass(70);
  const good = await publish('main', 'Speed up the index');
  await story.trusted(good, tree);
  const half = await publish('docs', 'Say how to light it', { policy: cosignNone });
  story.bench.witnessing = false;
  await story.build(half, { alice: two, bob: two, carol: two });
  story.fetched(half);
  story.bench.witness(half, { keys: ['alice'] });
  const agreed = await publish('wick', 'A wick of hemp');
  await story.build(agreed, { alice: three, bob: three, carol: three });
  story.fetched(agreed);
  const sealed = await publish('oil', 'Less oil');
  const held = await story.lease(sealed, ...lenders);
  await story.deliver(held, { alice: two });
  const busy = await publish('glass', 'Thicker glass');
  story.pass(6, new Map([...(await story.lease(busy, 'alice', 'bob')), ...held]));
  await publish('hook', 'Hang it from a hook');
}

/** 51 jobs of one push: two failed, and three are still open. */
async function manyJobs(story: Story): Promise<void> {
  const push = { subject: 'Split the tests into fifty' };
  const tree = await story.tree(lantern);
  const runs: string[] = [];
  for (let n = 1; n <= 51; n++) {
    const [kind, name] = n % 3 === 0 ? [{}, 'build'] : [{ kind: 'test' } as const, 'test'];
    runs.push(
      await story.publish(`${name}-${String(n).padStart(2, '0')}`, { push, policy: cosignNone, ...kind }),
    );
  }
  await story.together(runs.slice(0, 48), (n) => {
    const as = n === 17 || n === 31 ? failed : tree;
    return [as, as, as];
  });
}

const matrixNames = ['debian', 'alpine', 'fedora', 'arch'].flatMap((system) =>
  ['20', '22', '24', '26'].flatMap((version) =>
    ['fast', 'slow', 'odd'].map((speed) => `test.${system}.${version}.${speed}`),
  ),
);

/** A build, and a matrix of 48 tests of it: most passed, some failed, one is disputed, some are open. Its run is one that failed. */
async function matrix(story: Story): Promise<string> {
  const push = { subject: 'Test everywhere' };
  const [good, bad] = [
    await story.tree({ 'junit.xml': junit(0) }),
    await story.tree({ 'junit.xml': junit(2) }),
  ];
  const build = await story.publish('build', { push });
  await story.trusted(build, await story.tree(lantern));
  const runs: string[] = [];
  for (const name of matrixNames)
    runs.push(
      await story.publish(name, { push, kind: 'test', policy: cosignNone, needs: { build: [build] } }),
    );
  await story.together(runs.slice(0, 44), (n) => {
    if (n % 13 === 5) return [failed, failed, failed];
    return n === 22 ? [good, bad, failed] : [good, good, good];
  });
  return runs[5] ?? '';
}

/** A library that failed, and what needs it. */
async function fallen(story: Story): Promise<string> {
  const push = { subject: 'Trim the wick' };
  const library = await story.publish('library', { push });
  const test = await story.publish('unit', {
    push,
    kind: 'test',
    policy: cosignNone,
    needs: { library: [library] },
  });
  const run = await story.publish('package', {
    push,
    needs: { library: [library], unit: [test, 'trusted', true] },
  });
  await story.build(library, { alice: failed, bob: failed, carol: failed, trusted: failed });
  await story.signed(library);
  return run;
}

/** Six jobs of a push in three columns, whose edges cross. */
async function pipeline(story: Story): Promise<string> {
  const push = { subject: 'Speed up the index' };
  const [wick, oil] = [await story.publish('wick', { push }), await story.publish('oil', { push })];
  const lamp = await story.publish('lamp', { push, needs: { wick: [wick], oil: [oil] } });
  const docs = await story.publish('docs', { push, needs: { wick: [wick] } });
  await story.publish('unit', { push, kind: 'test', policy: cosignNone, needs: { lamp: [lamp] } });
  await story.publish('package', { push, needs: { wick: [wick], docs: [docs], lamp: [lamp] } });
  await story.trusted(wick, await story.tree({ 'lib/wick.js': 'export const wick = 1;\n' }));
  await story.trusted(oil, await story.tree({ 'lib/oil.js': 'export const oil = 2;\n' }));
  story.pass(7, await story.lease(lamp, ...lenders));
  return lamp;
}

/** Every text that a stranger chooses is hostile. */
async function strangers(story: Story): Promise<string> {
  const push = { branch: hostileWord, subject: hostileWord, author: hostileWord };
  const died = { kind: 'aborted', reason: 'memory', detail: hostileWord } as const;
  const run = await story.publish('build', { push, policy: { agree: 3 } });
  const tree = await story.tree({ ...lantern, '<img src=x onerror=alert(1)>': 'x' });
  await story.build(run, {
    alice: { as: died, log: `${hostile}\n` },
    bob: { as: tree, log: `${hostile}\n` },
    carol: { as: failed, log: `${failingLog}${hostile}\n` },
  });
  const waiting = await story.publish('other', { push });
  story.passes('alice', waiting, hostileWord);
  story.cancel(waiting, hostileWord);
  return run;
}

/** A scene of a page of the project. */
const ofProject = (
  name: string,
  about: string,
  play: (story: Story) => Promise<unknown>,
  path = '/',
): Scene => ({
  name,
  about,
  async play(store) {
    const story = await Story.of(store);
    await play(story);
    return { story, path };
  },
});

/** A scene of a run among others. */
const ofOne = (name: string, about: string, play: (story: Story) => Promise<string>): Scene => ({
  name,
  about,
  async play(store) {
    const story = await Story.of(store);
    return { story, run: await play(story) };
  },
});

/** The log of the build of one operator in another scene. */
function ofLog(name: string, about: string, of: (story: Story) => Promise<string>): Scene {
  return {
    name,
    about,
    async play(store) {
      const story = await Story.of(store);
      const run = await of(story);
      const [lease] = story.logs.keys();
      return { story, run, path: `/runs/${run}/logs/${lease}` };
    },
  };
}

async function failedBuild(story: Story, log = failingLog): Promise<string> {
  const run = await story.publish('build', { push: { subject: 'Trim the wick' } });
  const each = { as: failed, log };
  await story.build(run, { alice: each, bob: each, carol: each, trusted: each });
  await story.signed(run);
  return run;
}

/** Pages about more than one run, and logs. */
export const cases: readonly Scene[] = [
  ofProject('empty', 'a project that has published nothing', async () => {}),
  ofProject('project', 'the default branch is trusted', async (story) => {
    await story.trusted(await story.publish('build'), await story.tree(lantern));
  }),
  ofProject('project-failed', 'the default branch failed', (story) => failedBuild(story)),
  ofProject('branches', 'eleven branches in every state, one with a long name', branches),
  ofProject('branches-runs', 'the list of their runs', branches, '/runs'),
  ofProject('push-of-51', 'a push of 51 jobs', manyJobs),
  ofProject('push-of-51-runs', 'the list of its runs', manyJobs, '/runs'),
  ofProject('matrix-project', 'a push with a matrix of 48 jobs', matrix),
  ofOne('matrix', 'one of a matrix of 48 jobs', matrix),
  ofOne('pipeline', 'a job among six, whose edges cross', pipeline),
  ofOne('dependent-fell', 'a job that fell with another', fallen),
  ofOne('hostile', 'every text that a stranger chooses is hostile', strangers),
  ofProject('hostile-project', 'the same, on the page of the project', strangers),
  ofLog('log', 'the log of a build that failed', (story) => failedBuild(story)),
  ofLog('log-cut', 'a log that was cut', (story) => failedBuild(story, cutLog)),
  ofLog('log-hostile', 'a log of hostile text', strangers),
  {
    name: 'trouble',
    about: 'the log tells two stories, and an operator was revoked',
    async play(store) {
      const story = await Story.of(store);
      await branches(story);
      await story.bench.revoke({ kind: 'operator', id: 'bob' }, { reason: 'lost laptop' });
      return { story, path: '/', equivocations: ['two roots for size 7'] };
    },
  },
  {
    name: 'policy',
    about: 'twelve operators, and tests with a floor of their own',
    async play(store) {
      const floor: Policy = { agree: 2, of: 3, cosign: 'required', rounds: 8 };
      const charter = { floor, testFloor: { ...floor, cosign: 'none' as const } };
      const more = ['gus', 'hana', 'ivo', 'june', 'kai', 'lena'];
      const story = await Story.of(store, [...six, ...more], { charter });
      await story.trusted(await story.publish('build'), await story.tree(lantern));
      return { story, path: '/#policy' };
    },
  },
];
