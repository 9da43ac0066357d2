/**
 * `npm run demo -- self`: this repository is built, and tested on the packages of its lock file. The publisher alone fetches
 * these; each worker compares every one with the lock file of its own checkout.
 */
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { QuorateError } from '../../src/protocol/base/errors.ts';
import { escapeLine } from '../../src/protocol/base/escape.ts';
import { bytes, duration } from '../../src/terminal/format.ts';
import type { Output } from '../../src/terminal/output.ts';
import { lentForTests, trusted, volunteer } from './cast.ts';
import type { Line } from './processes.ts';
import { publishAll } from './publish-all.ts';
import { root, type Scene } from './scene.ts';

const jobs = ['build', 'test'];
/** The tests of this repository say nothing until they end. */
const runSeconds = 1800;

export async function playSelf(scene: Scene, out: Output, json: boolean): Promise<void> {
  const began = performance.now();
  const source = await scene.ownRepository();
  const [{ url, host }, bootstrap] = await Promise.all([scene.serveSource(source.bare), scene.bootstrap()]);
  if (source.dirty)
    out.say(
      out.colours.dim(`(uncommitted changes are not built: this is HEAD, ${source.commit.slice(0, 12)})`),
    );
  const to = await scene.controller('quorate', host, bootstrap);
  scene.lent = lentForTests;
  keepPackages(scene);
  await scene.join(to, [...['alice', 'bob', 'carol'].map(volunteer), trusted]);

  out.say('', out.colours.bold(`Building and testing this repository at ${source.commit.slice(0, 12)}`));
  let dependencies: Line = {};
  const story = await publishAll(scene, out, to, {
    url,
    jobs,
    seconds: runSeconds,
    onLine: (line) => {
      if (line.event !== 'dependencies') return;
      dependencies = line;
      const fetched = `${bytes(Number(line.fetchedBytes))} of them fetched now`;
      scene.say('packages', `${line.files}, ${fetched}; workers get them from the mesh and compare each`);
    },
  });
  const below = jobs.filter((job) => story.level(job) !== 'trusted');
  for (const job of below)
    for (const { operator, result } of story.all(job, 'revealed').flatMap(({ results }) => results))
      scene.say(job, `${operator}: ${escapeLine(result, 400)}`);
  if (below.length > 0)
    throw new QuorateError('DEMO_STORY_INCOMPLETE', `${below.join(', ')} did not become trusted`);
  const artifact = story.artifacts('build').at(-1);
  const ms = Math.round(performance.now() - began);
  out.say(
    '',
    `${out.colours.bold(out.colours.green('trusted (verified)'))} ${artifact}`,
    `Two of three volunteers and the trusted worker built the same, and passed its tests, after ${duration(ms)}.`,
  );
  if (!json) return;
  const { files, fetchedBytes } = dependencies;
  const outcome = {
    level: story.level('build'),
    test: story.level('test'),
    artifact,
    files,
    fetchedBytes,
    ms,
  };
  process.stdout.write(`${JSON.stringify(outcome)}\n`);
}

/** The publisher's cache of dependencies is `.demo/dependencies`, so that the next run fetches nothing again. */
function keepPackages(scene: Scene): void {
  const kept = join(root, '.demo', 'dependencies');
  mkdirSync(kept, { recursive: true });
  symlinkSync(kept, join(scene.folder('home-publisher'), 'dependencies'));
}
