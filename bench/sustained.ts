import { codeOf } from '../src/protocol/base/errors.ts';
import { spent } from '../test/e2e/support/live-project.ts';
import { sleep } from '../test/e2e/support/wait.ts';
import { openProject } from './course.ts';
import { memoryMb } from './processes.ts';
import { type Bench, type Suite, seconds } from './run.ts';

const minutes = 5;
const atOnce = 16;
const runsAll = 600;
const settleMs = 10_000;
/** A node that rested for a minute gives memory back. */
const restMs = 100_000;
const secondsMax = 2_400;
const refusedMs = 1_000;

/** A client may open 600 streams a minute, and a run takes one of them: above ten runs a second it waits to be admitted. */
async function admitted<T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      signal.throwIfAborted();
      if (!['MESH_RESET', 'CONTROLLER_UNREACHABLE'].includes(codeOf(error))) throw error;
      await sleep(refusedMs);
    }
  }
}

async function run(bench: Bench): Promise<void> {
  const signal = AbortSignal.timeout(secondsMax * 1000);
  const project = await openProject(bench, signal);
  await sleep(restMs);
  const worker = project.cluster.worker('ada').pid;
  const memory = async (when: string, under?: number): Promise<void> => {
    const { resident, proportional } = await memoryMb(worker);
    bench.figure(`memory of a worker, ${when}`, resident, 'MB', { under });
    bench.figure(`memory of a worker, ${when}, its share`, proportional, 'MB');
  };
  await memory('idle', 120);
  const commit = await project.newCommit(signal);
  let done = 0;
  let left = Number.POSITIVE_INFINITY;
  // One after the other: what a client may have open at once, the runs that it follows take.
  let submitting: Promise<unknown> = Promise.resolve();
  const one = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const submitted = submitting.then(() => admitted(() => project.submit(commit), signal));
      submitting = submitted.catch(() => {});
      const { run } = await submitted;
      await admitted(() => project.trusted(run, signal), signal);
      done += 1;
    }
  };
  const begun = await project.used();
  const running = Promise.all(Array.from({ length: atOnce }, one));
  const rates: number[] = [];
  for (let minute = 1; minute <= minutes; minute += 1) {
    const [before, doneBefore] = [await project.used(), done];
    const took = await seconds(() => Promise.race([sleep(60_000), running]));
    const count = done - doneBefore;
    rates.push(count / took);
    bench.figure(`minute ${minute}`, count / took, 'runs/s', {
      note: `${Math.round(spent(before, await project.used()) / count)} ms of processor time a run`,
    });
  }
  bench.figure(`the slowest of ${minutes} minutes`, Math.min(...rates), 'runs/s', { over: 9 });
  left = Math.max(0, runsAll - done - atOnce);
  await running;
  bench.figure('processor time of a run, all processes', spent(begun, await project.used()) / done, 'ms', {
    under: 180,
  });
  await sleep(settleMs);
  await memory(`after ${done} runs`);
  await sleep(restMs);
  await memory(`after ${done} runs and a minute of rest`, 170);
}

export const suite: Suite = {
  what: `${minutes} minutes of empty builds, ${atOnce} runs at once, and at least ${runsAll} runs`,
  secondsMax,
  run,
};
