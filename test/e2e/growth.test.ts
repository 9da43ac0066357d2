import { expect, it, onTestFinished } from 'vitest';
import { emptyJob, LiveProject } from './support/live-project.ts';
import { endAll } from './support/processes.ts';
import { costOfRuns } from './support/run-cost.ts';

const minutes = 15;
const runs = 12;
const more = 9;

// Counted in calls that write: what is said and kept, which neither another load nor a cold program changes much.
it(
  'a run of three workers and a trusted one makes few calls, and little more of them for each worker that is connected',
  async () => {
    onTestFinished(endAll);
    const signal = AbortSignal.timeout(minutes * 60_000);
    const project = await LiveProject.open(emptyJob, signal);
    const commit = await project.newCommit(signal);
    const cost = () => costOfRuns(project, commit, runs, signal, () => project.writes());
    await project.runs(commit, { count: 4, atOnce: 4 }, signal);
    const alone = await cost();
    for (let n = 0; n < more; n++) await project.cluster.volunteer(`more${n}`);
    // They have the source then, and know each other.
    await project.runs(commit, { count: more, atOnce: 6 }, signal);
    const beside = await cost();
    await project.client.close();
    expect(alone.all).toBeLessThan(1_400);
    expect((beside.all - alone.all) / more).toBeLessThan(160);
    expect(beside.controller).toBeLessThan(650);
  },
  minutes * 60_000,
);
