import type { Progress } from '../../src/protocol/wire/progress.ts';
import type { Output } from '../../src/terminal/output.ts';
import { InOrder } from './in-order.ts';
import { wordsFor } from './pipeline-words.ts';
import type { Line } from './processes.ts';
import type { Project, Scene } from './scene.ts';
import { Story } from './story.ts';

interface Published {
  url: string;
  /** Names of all jobs, in their order. */
  jobs: readonly string[];
  /** How long nothing may happen, on an idle machine. */
  seconds?: number;
  /** Lines of `quorate run` that are of no job. */
  onLine?: (line: Line) => void;
}

/** Publishes what is on the branch and follows it to its end, telling what becomes of each job. */
export async function publishAll(
  scene: Scene,
  out: Output,
  to: Project,
  { url, jobs, seconds = 120, onLine = () => {} }: Published,
  onProgress: (job: string, progress: Progress) => void = () => {},
): Promise<Story> {
  const story = new Story();
  const nameWidth = Math.max(...jobs.map((name) => name.length));
  const args = ['run', url, '--ref', 'main', '--home', scene.folder('home-publisher')];
  const run = scene.start('quorate run', args, to.repo);
  const told = new InOrder(jobs, ({ at, job, progress }) => {
    story.add({ at, job, progress });
    const words = wordsFor(story, job, progress, out.colours);
    if (words !== undefined) scene.say(job.padEnd(nameWidth), words);
    onProgress(job, progress);
  });
  run.onLine((line) => {
    const { event, name: job, at, verified, ...rest } = line;
    // It was told before its evidence was verified.
    if (verified === true) return;
    if (typeof job === 'string' && typeof at === 'number' && event === rest.kind)
      told.push({ at, job, progress: rest as unknown as Progress });
    else onLine(line);
  });
  const code = await scene.processes.patience.within(run.ended, seconds, 'the jobs to end');
  told.flush();
  // 1: not all of it is trusted, or proven; 4: all of it, after what operators had agreed on was contradicted.
  const isTrusted = jobs.every((job) => story.level(job) === 'trusted');
  if (![0, 4].includes(code) && (isTrusted || code !== 1)) throw run.failure(code);
  if (isTrusted) scene.say('evidence', out.colours.green('verified, of every job'));
  return story;
}
