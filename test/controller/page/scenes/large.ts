import { standIn } from '../../../../simulations/keys.ts';
import { failed } from '../../machine/bench.ts';
import type { Scene } from './scene.ts';
import { cosignNone, lantern, lenders, Story } from './story.ts';
import { longLog } from './texts.ts';

const crowd = { branches: 200, runs: 5_000, logLines: 100_000 };

const alone = { ...cosignNone, agree: 1, of: 1 };

/** Many pushes to many branches; every seventeenth fails. */
async function pushes(story: Story): Promise<void> {
  const tree = await story.tree(lantern);
  for (let n = 0; n < crowd.runs; n++) {
    const push = { branch: `topic/number-${n % crowd.branches}`, subject: `Change number ${n}` };
    const run = await story.publish('build', { push, policy: alone });
    await story.build(run, { alice: { as: n % 17 === 0 ? failed : tree, after: 1, log: '' } });
    if (n % 17 !== 0) story.bench.pinned(run);
    story.bench.store(run);
    // The tester's own memory.
    story.bench.effects.length = 0;
    story.bench.journal.length = 0;
    story.bench.replies.clear();
  }
}

/** Projects, and a log, that are as large as they get. */
export const largeScenes: readonly Scene[] = [
  {
    name: 'crowd',
    about: `${crowd.branches} branches and ${crowd.runs} runs`,
    async play(store) {
      const story = await Story.of(store, ['alice'], { keys: standIn });
      await pushes(story);
      return { story, path: '/' };
    },
  },
  {
    name: 'long-log',
    about: `a log of ${crowd.logLines} lines`,
    async play(store) {
      const story = await Story.of(store);
      const run = await story.publish('build');
      const log = `quorate: step 1 of 1: Compile\n${longLog(crowd.logLines)}`;
      const tree = await story.tree(lantern);
      await story.build(run, Object.fromEntries(lenders.map((key) => [key, { as: tree, log }])));
      const [lease] = story.logs.keys();
      return { story, run, path: `/runs/${run}/logs/${lease}` };
    },
  },
];
