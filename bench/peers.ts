import { type LiveProject, spent, volunteers } from '../test/e2e/support/live-project.ts';
import { sleep } from '../test/e2e/support/wait.ts';
import { Buildbot, type BuildbotCourse, installBuildbot } from './buildbot/buildbot.ts';
import { type Course, course, crowdOf, openProject } from './course.ts';
import { type Bench, median, type Suite, seconds } from './run.ts';

const rounds = 8;
const crowd = 40;
const crowdRounds = 2;
const quietMs = 1_000;
const secondsMax = 900;

interface Both {
  project: LiveProject;
  buildbot: Buildbot;
}

async function open(bench: Bench, signal: AbortSignal): Promise<Both> {
  installBuildbot();
  const project = await openProject(bench, signal);
  const repository = project.cluster.git.url('project');
  const buildbot = await Buildbot.start(await bench.folder(), repository, volunteers);
  return { project, buildbot };
}

/** Measures both sides, one after the other: ours first in even rounds, theirs in odd ones. Waits `quietMs` after each. */
async function inEitherOrder(round: number, ours: () => Promise<void>, theirs: () => Promise<void>) {
  for (const one of round % 2 === 0 ? [ours, theirs] : [theirs, ours]) {
    await one();
    // Logs and proofs of a run are stored and spread before the next run begins.
    await sleep(quietMs);
  }
}

async function latency(bench: Bench, { project, buildbot }: Both, signal: AbortSignal): Promise<void> {
  const courses = {
    'a new commit': { ours: [] as Course[], theirs: [] as BuildbotCourse[] },
    'the same commit': { ours: [] as Course[], theirs: [] as BuildbotCourse[] },
  };
  // The first round is the first of everything, and is not counted.
  for (let round = 0; round <= rounds; round += 1) {
    const commit = await project.newCommit(signal);
    for (const { ours, theirs } of Object.values(courses)) {
      await inEitherOrder(
        round,
        async () => void ours.push(await course(project, commit, signal)),
        async () => void theirs.push(await buildbot.course(commit.commit)),
      );
    }
  }
  for (const [which, { ours, theirs }] of Object.entries(courses)) {
    const mine = (of: keyof Course): number => median(ours.slice(1).map((course) => course[of]));
    const other = (of: keyof BuildbotCourse): number => median(theirs.slice(1).map((course) => course[of]));
    const figure = (name: string, value: number, reference: number): void =>
      bench.figure(`${name}, ${which}`, value, 'ms', { beside: [`Buildbot ${buildbot.version}`, reference] });
    figure('first build process', mine('began'), other('began'));
    figure('all three builds began', mine('allBegan'), other('allBegan'));
    figure('all three builds over', mine('delivered'), other('over'));
    figure('compared and co-signed, beside builds over', mine('trusted'), other('over'));
  }
}

/** Many changes at once, each built by all three workers. */
async function throughput(bench: Bench, both: Both, signal: AbortSignal): Promise<void> {
  const { project, buildbot } = both;
  const commit = await project.newCommit(signal);
  const ours = { took: 0, used: 0 };
  const theirs = { took: 0, used: 0 };
  for (let round = 0; round < crowdRounds; round += 1) {
    await inEitherOrder(
      round,
      async () => {
        const before = await project.used();
        ours.took += await seconds(() => crowdOf(project, crowd, commit, signal));
        ours.used += spent(before, await project.used());
      },
      async () => {
        const before = await buildbot.processorMs();
        theirs.took += await seconds(() => buildbot.builds(commit.commit, crowd));
        theirs.used += (await buildbot.processorMs()) - before;
      },
    );
  }
  const builds = crowd * crowdRounds * volunteers.length;
  const name = `Buildbot ${buildbot.version}`;
  bench.figure(`builds, ${crowd} × ${volunteers.length} queued`, builds / ours.took, 'builds/s', {
    beside: [name, builds / theirs.took],
  });
  bench.figure('processor time of a build, all processes', ours.used / builds, 'ms', {
    beside: [name, theirs.used / builds],
  });
}

async function run(bench: Bench): Promise<void> {
  const signal = AbortSignal.timeout(secondsMax * 1000);
  const both = await open(bench, signal);
  await latency(bench, both, signal);
  await throughput(bench, both, signal);
}

export const suite: Suite = {
  what: 'three workers of Buildbot beside three of ours and a trusted one, on the same commits; empty builds',
  secondsMax,
  run,
};
