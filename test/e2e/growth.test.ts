import { expect, it, onTestFinished } from 'vitest';
import { emptyJob, LiveProject } from './support/live-project.ts';
import { endAll } from './support/processes.ts';
import { costOfRuns } from './support/run-cost.ts';

const minutes = 10;
const runs = 16;
const more = 9;

// Of processor time, of which nodes spend a third more where others keep the processors busy: ratios within one run stay.
it(
  'a run costs the nodes that take part in it the same beside four times as many workers, and the others little',
  async () => {
    onTestFinished(endAll);
    const signal = AbortSignal.timeout(minutes * 60_000);
    const project = await LiveProject.open(emptyJob, signal);
    const commit = await project.newCommit(signal);
    await project.runs(commit, { count: 10, atOnce: 4 }, signal);
    const alone = await costOfRuns(project, commit, runs, signal);
    for (let n = 0; n < more; n++) await project.cluster.volunteer(`more${n}`);
    // Each has built once: it has the source, and its program is warm.
    await project.runs(commit, { count: 3 * more, atOnce: 6 }, signal);
    const beside = await costOfRuns(project, commit, runs, signal);
    await project.client.close();
    expect(beside.involved / alone.involved).toBeLessThan(1.5);
    expect(beside.controller / alone.controller).toBeLessThan(1.6);
    // Most of them claim while they are twelve.
    expect(beside.idle / alone.builder).toBeLessThan(0.6);
  },
  minutes * 60_000,
);
