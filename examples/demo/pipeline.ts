/**
 * `npm run demo -- pipeline`: build, three tests and a package of a C project. First the trusted worker is slow, and the tests
 * get ahead of it; then most volunteers tamper, and what was built on their bytes falls with them.
 */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { duration, shortId } from '../../src/cli/format.ts';
import type { Output } from '../../src/cli/output.ts';
import type { Progress } from '../../src/core/controller/events.ts';
import { QuorateError } from '../../src/core/errors.ts';
import { payload, slowTrusted, tamperer, volunteer } from './cast.ts';
import { wordsFor } from './pipeline-words.ts';
import type { Project, Scene } from './scene.ts';
import { type Ahead, aheadBy, Story } from './story.ts';

const tests = ['test.roundtrip', 'test.invalid', 'test.command'];
const jobs = ['build', ...tests, 'package'];
const nameWidth = Math.max(...jobs.map((name) => name.length));
const runSeconds = 240;
/** What `fetch` says of bytes that are not trusted: their evidence says so, or nobody has evidence of them any more. */
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
  const bootstrapping = scene.bootstrap();
  const source = await makeSource(scene);
  const to = await scene.controller('roman', source.host, await bootstrapping);
  const [, ...leaving] = await scene.join(to, [...always, ...sometimes, slowTrusted]);
  const ahead = await getAhead(scene, out, to, source);

  out.say('', out.colours.bold('Version 1.1. mallory and malvin, two of three, build something else'));
  await Promise.all(leaving.slice(0, sometimes.length).map((node) => node.stop()));
  await scene.join(to, tamperers);
  const makefile = join(source.folder, 'Makefile');
  writeFileSync(makefile, readFileSync(makefile, 'utf8').replace('VERSION = 1.0', 'VERSION = 1.1'));
  await commit(scene, source, 'Version 1.1');
  const fallen = await recover(scene, out, to, source);
  const outcome = { level: 'trusted', promoted: tests.length, ...fallen, savedMs: ahead.saved, ms: ahead };
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

/** Publishes what is on the branch and follows it to its end, telling what becomes of each job. */
async function publish(
  scene: Scene,
  out: Output,
  to: Project,
  { url }: Source,
  onProgress: (job: string, progress: Progress) => void = () => {},
): Promise<Story> {
  const story = new Story();
  const args = ['run', url, '--ref', 'main', '--home', scene.folder('home-publisher')];
  const run = scene.start('quorate run', [...args, '--timeout', `${runSeconds}s`], to.repo);
  run.onLine(({ event, name, at, ...rest }) => {
    if (typeof name !== 'string' || typeof at !== 'number' || event !== rest.kind) return;
    const progress = rest as unknown as Progress;
    story.add({ at, job: name, progress });
    const words = wordsFor(story, name, progress, out.colours);
    if (words !== undefined) scene.say(name.padEnd(nameWidth), words);
    onProgress(name, progress);
  });
  await run.ended;
  return story;
}

async function getAhead(scene: Scene, out: Output, to: Project, source: Source): Promise<Ahead> {
  out.say('', out.colours.bold('Version 1.0. The trusted worker is slow, and the tests do not wait for it'));
  const story = await publish(scene, out, to, source);
  allTrusted(story);
  const ahead = aheadBy(story, 'build', tests);
  if (ahead === undefined || !tests.every((test) => story.rose(test)))
    throw incomplete('not every test passed before the build was confirmed, and rose with it');
  const [waited, took, rise, saved] = [ahead.waited, ahead.tests, ahead.rise, ahead.saved].map(duration);
  out.say(
    `The trusted worker confirmed the build ${waited} after the volunteers had agreed. Meanwhile the tests took ${took};`,
    `they were trusted ${rise} after it. Begun only then they would have taken the same ${took}: ${out.colours.bold(`${saved} ahead`)}.`,
  );
  return ahead;
}

interface Fallen {
  /** Jobs whose results, or builds, ended with what they stood on. */
  revoked: number;
  /** Of these, how many are trusted now, built on other bytes. */
  rebuilt: number;
  /** How often the owner published the commit. */
  published: number;
  artifact: string;
  tampered: string;
}

async function recover(scene: Scene, out: Output, to: Project, source: Source): Promise<Fallen> {
  let returning: Promise<unknown> | undefined;
  const first = await publish(scene, out, to, source, (job, { kind }) => {
    // Once the tests have begun, whether or not they pass before the trusted worker has built.
    if (tests.includes(job) && kind === 'verdict') returning ??= scene.comeBack(to, sometimes);
  });
  await (returning ?? scene.comeBack(to, sometimes));
  const [contradicted] = first.all('build', 'contradicted');
  const fell = jobs.filter((job) => first.fell(job));
  if (contradicted === undefined || !tests.every((test) => fell.includes(test)))
    throw incomplete('the trusted worker contradicted nothing that the tests stood on');
  let last = first;
  if (jobs.some((job) => last.all(job, 'cancelled').length > 0)) {
    out.say(
      '',
      out.colours.bold('Their requests have ended with that. The owner publishes the commit again'),
    );
    last = await publish(scene, out, to, source);
  }
  allTrusted(last);
  const rebuilt = fell.filter((job) => (last === first ? first.rebuilt(job) : last.level(job) === 'trusted'));
  const tampered = String(contradicted.artifact);
  const artifact = String(last.artifacts('package').at(-1));
  out.say('', out.colours.bold('A newcomer fetches'));
  await isRefused(scene, to, tampered);
  await unpackAndRun(scene, to, artifact);
  const published = last === first ? 1 : 2;
  return { revoked: fell.length, rebuilt: rebuilt.length, published, artifact, tampered };
}

const consumer = (scene: Scene, { project, bootstrap }: Project) => [
  ...['--project', project, '--bootstrap', bootstrap, '--home', scene.folder('home-consumer')],
];

async function isRefused(scene: Scene, from: Project, tampered: string): Promise<void> {
  const args = ['fetch', tampered, '-o', join(scene.dir, 'tampered'), ...consumer(scene, from)];
  const { error } = await scene.quorate(args, { seconds: 120, codes: [1, 3] });
  const { code, message } = error as { code: string; message: string };
  if (!refusals.includes(code))
    throw incomplete(`fetch of the tampered build ended with ${code}: ${message}`);
  scene.say('tampered build', `${shortId(tampered)}: refused, ${code}`);
}

async function unpackAndRun(scene: Scene, from: Project, artifact: string): Promise<void> {
  const folder = join(scene.dir, 'package');
  await scene.quorate(['fetch', artifact, '-o', folder, ...consumer(scene, from)], { seconds: 120 });
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
  scene.say('package', `${shortId(artifact)}: ${text.trim()}, 2026 is ${year.trim()}`);
}

function allTrusted(story: Story): void {
  const below = jobs.filter((job) => story.level(job) !== 'trusted');
  if (below.length > 0) throw incomplete(`${below.join(', ')} did not become trusted`);
}

const incomplete = (says: string) =>
  new QuorateError('DEMO_STORY_INCOMPLETE', says, {
    hint: 'On a busy machine the trusted worker may be done before the tests: run it again when there is less to do.',
  });
