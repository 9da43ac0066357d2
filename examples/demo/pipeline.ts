/**
 * `npm run demo -- pipeline`: build, three tests and a package of a C project. First the trusted worker is slow, and the tests
 * get ahead of it; then most volunteers tamper, and what was built on their bytes falls with them.
 */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { QuorateError } from '../../src/protocol/base/errors.ts';
import { duration, shortId } from '../../src/terminal/format.ts';
import type { Output } from '../../src/terminal/output.ts';
import { payload, slowTrusted, tamperer, volunteer } from './cast.ts';
import { publishAll } from './publish-all.ts';
import type { Project, Scene } from './scene.ts';
import { type Ahead, aheadOf, type Story, savedBy, takenAnew } from './story.ts';

const tests = ['test.roundtrip', 'test.invalid', 'test.command'];
const jobs = ['build', ...tests, 'package'];
/** Error codes of `fetch` for bytes that are not trusted: by their evidence, or because no peer has evidence of them. */
const refusals = ['NOT_TRUSTED', 'ARTIFACT_NOT_FOUND'];

/** The repository of the C project: `folder` is its work tree, `bare` what the server serves. */
interface Source {
  folder: string;
  bare: string;
  url: string;
  host: string;
}

const always = ['alice'].map(volunteer);
/** Off while the others tamper, so that two of three do. */
const sometimes = ['bob', 'carol', 'dave'].map(volunteer);
const tamperers = ['mallory', 'malvin'].map(tamperer);

export async function playPipeline(scene: Scene, out: Output, json: boolean): Promise<void> {
  const [source, bootstrap] = await Promise.all([makeSource(scene), scene.bootstrap()]);
  const to = await scene.controller('roman', source.host, bootstrap);
  const [, ...leaving] = await scene.join(to, [...always, ...sometimes, slowTrusted]);
  const { promoted, ms } = await getAhead(scene, out, to, source);

  out.say('', out.colours.bold('Version 1.1. mallory and malvin, two of three, build something else'));
  await Promise.all(leaving.slice(0, sometimes.length).map((node) => node.stop()));
  const makefile = join(source.folder, 'Makefile');
  writeFileSync(makefile, readFileSync(makefile, 'utf8').replace('VERSION = 1.0', 'VERSION = 1.1'));
  await commit(scene, source, 'Version 1.1');
  const { level, revoked, rebuilt, anew, ...rest } = await recover(scene, out, to, source);
  const savedMs = savedBy(ms, anew);
  const outcome = { level, promoted, revoked, rebuilt, savedMs, ms: { ...ms, anew }, ...rest };
  out.say(
    '',
    `Begun on trusted bytes, as in version 1.1, the tests took ${duration(anew)} until they were trusted. Those of version 1.0 were trusted`,
    `${duration(ms.rise)} after the build: ${out.colours.bold(`${duration(savedMs)} earlier`)} than if they had waited for the trusted worker.`,
  );
  if (json) process.stdout.write(`${JSON.stringify(outcome)}\n`);
}

/** A repository with the C project that stands beside this file, and a server for it. */
async function makeSource(scene: Scene): Promise<Source> {
  const bare = await scene.bareRepository('roman');
  const folder = scene.folder('roman');
  cpSync(join(import.meta.dirname, 'roman'), folder, { recursive: true });
  await scene.git(['init', '--quiet', '--initial-branch=main'], folder);
  await commit(scene, { folder, bare }, 'Numerals and their values');
  return { folder, bare, ...(await scene.serveSource(bare)) };
}

async function commit(
  scene: Scene,
  { folder, bare }: Pick<Source, 'folder' | 'bare'>,
  message: string,
): Promise<void> {
  const author = ['-c', 'user.name=owner', '-c', 'user.email=owner@example.org'];
  await scene.git(['add', '--all'], folder);
  await scene.git([...author, 'commit', '--quiet', '--message', message], folder);
  await scene.git(['push', '--quiet', bare, 'main'], folder);
}

interface Got {
  /** Tests that became trusted without running again. */
  promoted: number;
  ms: Ahead;
}

async function getAhead(scene: Scene, out: Output, to: Project, source: Source): Promise<Got> {
  out.say('', out.colours.bold('Version 1.0. The trusted worker is slow, and the tests do not wait for it'));
  let joining: Promise<unknown> | undefined;
  const story = await publishAll(scene, out, to, { url: source.url, jobs }, (job, { kind }) => {
    // They have joined too late for jobs of this version.
    if (job === 'package' && kind === 'verdict') joining ??= begun(scene.join(to, tamperers));
  });
  await joining;
  allTrusted(story);
  const ahead = aheadOf(story, 'build', tests);
  const promoted = tests.filter((test) => story.rose(test)).length;
  if (ahead === undefined || promoted < tests.length)
    throw incomplete('not every test passed before the build was confirmed, and rose with it');
  const [waited, took, rise] = [ahead.waited, ahead.tests, ahead.rise].map(duration);
  out.say(
    `The trusted worker confirmed the build ${waited} after the volunteers had agreed. Meanwhile the tests took ${took};`,
    `they were trusted ${rise} after it. How much that saves is measured below, where they begin on trusted bytes.`,
  );
  return { promoted, ms: ahead };
}

interface Fallen {
  level: string | undefined;
  /** Jobs whose results, or builds, ended with what they stood on. */
  revoked: number;
  /** Of these, how many were built again on other bytes, by themselves, and are trusted. */
  rebuilt: number;
  /** Milliseconds that the tests took then. */
  anew: number;
  artifact: string;
  tampered: string;
}

async function recover(scene: Scene, out: Output, to: Project, source: Source): Promise<Fallen> {
  let returning: Promise<unknown> | undefined;
  const story = await publishAll(scene, out, to, { url: source.url, jobs }, (job, { kind }) => {
    // The build that they are to repeat is contradicted later, or was before any test had passed.
    if (kind === 'contradicted' || (tests.includes(job) && kind === 'verdict'))
      returning ??= begun(scene.comeBack(to, sometimes));
  });
  await returning;
  const [contradicted] = story.all('build', 'contradicted');
  const fell = jobs.filter((job) => story.fell(job));
  const rebuilt = fell.filter((job) => story.rebuilt(job));
  if (contradicted === undefined || !tests.every((test) => fell.includes(test)))
    throw incomplete('the trusted worker contradicted nothing that the tests stood on');
  allTrusted(story);
  if (story.all('build', 'compared').length === 0) throw incomplete('the owner was not alarmed');
  if (rebuilt.length < fell.length) throw incomplete('what had fallen was not all built again');
  const [tampered, artifact] = [String(contradicted.artifact), String(story.artifacts('package').at(-1))];
  out.say('', out.colours.bold('A newcomer fetches'));
  await Promise.all([isRefused(scene, to, tampered), unpackAndRun(scene, to, artifact)]);
  const level = story.level('package');
  return {
    level,
    revoked: fell.length,
    rebuilt: rebuilt.length,
    anew: takenAnew(story, tests),
    artifact,
    tampered,
  };
}

/** Awaited later; nobody listens meanwhile, should it fail. */
function begun<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

/** A consumer that knows the root key and the address of the bootstrap node only. */
const newcomer = (scene: Scene, name: string, { project, bootstrap }: Project): string[] => [
  ...['--project', project, '--bootstrap', bootstrap, '--home', scene.folder(`home-${name}`)],
];

async function isRefused(scene: Scene, from: Project, tampered: string): Promise<void> {
  const args = ['fetch', tampered, '-o', join(scene.dir, 'tampered'), ...newcomer(scene, 'refused', from)];
  const { error } = await scene.quorate(args, { seconds: 120, codes: [1, 3] });
  const { code, message } = error as { code: string; message: string };
  if (!refusals.includes(code))
    throw incomplete(`fetch of the tampered build ended with ${code}: ${message}`);
  scene.say('tampered build', `${shortId(tampered)}: refused, ${code}`);
}

async function unpackAndRun(scene: Scene, from: Project, artifact: string): Promise<void> {
  const folder = join(scene.dir, 'package');
  await scene.quorate(['fetch', artifact, '-o', folder, ...newcomer(scene, 'consumer', from)], {
    seconds: 120,
  });
  const run = (command: string, args: readonly string[]) =>
    scene.processes.run(command, command, args, { cwd: folder, seconds: 30, json: false });
  await run('tar', ['-xzf', 'roman-1.1.tar.gz']);
  const { text } = await run('./bin/roman', ['--version']);
  const { text: year } = await run('./bin/roman', ['2026']);
  if (
    text.trim() !== 'roman 1.1' ||
    year.trim() !== 'MMXXVI' ||
    readFileSync(join(folder, 'bin', 'roman')).includes(payload)
  )
    throw incomplete('the package holds another program than the source says');
  scene.say('package', `${shortId(artifact)}: trusted (verified), ${text.trim()}, 2026 is ${year.trim()}`);
}

function allTrusted(story: Story): void {
  const below = jobs.filter((job) => story.level(job) !== 'trusted');
  if (below.length > 0) throw incomplete(`${below.join(', ')} did not become trusted`);
}

const incomplete = (says: string) =>
  new QuorateError('DEMO_STORY_INCOMPLETE', says, {
    hint: 'On a busy machine the trusted worker may be done before the tests: run it again when there is less to do.',
  });
