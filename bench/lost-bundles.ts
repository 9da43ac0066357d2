import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Keys } from '../simulations/keys.ts';
import { Controller } from '../src/controller/machine/machine.ts';
import { openJournal } from '../src/journal/index.ts';
import { initProject } from '../src/owner/project-folder.ts';
import type { Signer } from '../src/protocol/documents/index.ts';
import { realKeys } from '../test/simulations/real-keys.ts';
import { History } from '../test/support/history.ts';
import type { AtStart, MadeAgain } from './lost-bundles-end.ts';
import { type Bench, type Suite, seconds } from './run.ts';

const jobs = 10_000;

/** A home with so many finished jobs of four builds each, everything of them signed, and without a bundle. */
async function homeOf(repo: string): Promise<void> {
  const folder = await initProject(repo, { name: 'project', vcs: [], bootstrap: [] });
  const { root, controller, idp } = folder;
  const own: Record<string, Signer | undefined> = {
    root: root?.signer,
    controller: controller.signer,
    idp: idp.signer,
  };
  const signer: Keys['signer'] = (name) => own[name] ?? realKeys.signer(name);
  const name = `controller ${controller.id}`;
  const journal = openJournal(join(folder.dir, 'controller.db'), { name, rules: Controller.rules });
  const keep = (event: object, at: number, record?: string): void => journal.append(event, at, record);
  const history = new History(keep, undefined, { ...realKeys, signer });
  await writeFile(join(folder.dir, 'charter.jws'), (await history.paper.charter()).raw);
  await history.start();
  await history.run(jobs);
  journal.close();
}

async function started(bench: Bench, repo: string): Promise<AtStart & { made(): Promise<MadeAgain> }> {
  const end = bench.end(new URL('lost-bundles-end.ts', import.meta.url), [repo]);
  const figures = await end.ask<AtStart>('start');
  return { ...figures, made: () => end.ask<MadeAgain>('made') };
}

async function run(bench: Bench): Promise<void> {
  const repo = await bench.folder();
  await homeOf(repo);
  const bundles = join(repo, '.quorate', 'bundles');
  // The first start makes what the second one begins with.
  const first = await started(bench, repo);
  let made: MadeAgain | undefined;
  const took = await seconds(async () => {
    made = await first.made();
  });
  const whole = await started(bench, repo);
  await whole.made();
  await rm(bundles, { recursive: true });
  const lost = await started(bench, repo);
  bench.figure(`memory at a start without ${jobs} bundles`, lost.residentMb, 'MB', {
    beside: ['MB, with all bundles', whole.residentMb],
    under: 1.2,
    note: 'resident, after a collection',
  });
  bench.figure('the most until then', lost.peakMb, 'MB', {
    beside: ['MB, with all bundles', whole.peakMb],
    under: 1.2,
  });
  bench.figure('heap', lost.heapMb, 'MB', { beside: ['MB, with all bundles', whole.heapMb], under: 1.2 });
  bench.figure('start', lost.seconds, 's', { beside: ['s, with all bundles', whole.seconds] });
  bench.figure('all of them made again', took, 's', { note: `${made?.count} bundles` });
  bench.figure('the most while they are made', made?.peakMb ?? Number.NaN, 'MB');
  bench.figure('a bundle that is asked for right after the start', lost.askedMs, 'ms');
}

export const suite: Suite = {
  what: `the start of a controller with ${jobs} finished jobs, whose bundles are all lost`,
  secondsMax: 1_800,
  run,
};
