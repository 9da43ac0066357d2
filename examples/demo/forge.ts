/**
 * `npm run demo -- forge`: from a push to a status, with a real forge. Debian's pagure is started with a project; what is pushed is
 * built and gets flags, a hook takes what is trusted, and a stranger's pull request waits for its approval.
 */
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { QuorateError } from '../../src/protocol/base/errors.ts';
import type { Output } from '../../src/terminal/output.ts';
import { trusted, volunteer } from './cast.ts';
import { freePort } from './free-port.ts';
import { Pagure } from './pagure/instance.ts';
import type { Line, Running } from './processes.ts';
import { cli, type Project, quiet, type Scene } from './scene.ts';

/** Time in which nothing may happen, of an idle machine. */
const waitSeconds = 120;

/** The job file of the project: one job, which puts out what stands in a file. */
const jobFile = `jobs:
  build:
    image: host
    run: ['cp greeting "$OUT/greeting"']
    outputs: [.]
    limits: {cpus: 1, memory: 256MiB, disk: 64MiB, time: 5m}
`;
/** That of a stranger, which asks for less: one operator, and no co-signature. */
const weaker = `${jobFile}    trust: {agree: 1, of: 1, cosign: none, rounds: 1}\n`;

interface Watched {
  pagure: Pagure;
  watcher: Running;
  home: string;
  /** URL of what the watcher serves. */
  url: string;
  to: Project;
}

export async function playForge(scene: Scene, out: Output, json: boolean): Promise<void> {
  const pagure = await startPagure(scene);
  const { host, url } = await scene.serveSource(join(pagure.repositories, 'tool.git'));
  const to = await scene.controller('tool', host, await scene.bootstrap(), ['--http', '127.0.0.1:0']);
  await scene.join(to, [...['alice', 'bob', 'carol'].map(volunteer), trusted]);
  const watched = await watch(scene, pagure, url, to);

  out.say('', out.colours.bold('A push'));
  const taken = scene.folder('taken');
  const hook = startHook(scene, to, taken);
  await commit(scene, { greeting: 'hello, forge\n' });
  const pushed = await pagure.push('owner', workOf(scene), 'tool', 'main');
  scene.say('push', `${pushed.slice(0, 12)} to main of ${pagure.url}/tool`);
  await untilGreen(watched, `${pushed} quorate/main`);
  const flag = (await pagure.flags('tool', pushed)).get('quorate/main');
  scene.say('pagure shows', `${flag?.status}: ${flag?.comment}`);
  const run = await runOf(watched, pushed);
  const page = await fetch(`${to.http}/runs/${run}`);
  scene.say('page', `${to.http}/runs/${run} answers ${page.status}`);
  await hook.ended;
  const copied = readFileSync(join(taken, 'greeting'), 'utf8').trim();
  scene.say('hook', `the trusted artifact says: ${copied}`);
  const badge = await (await fetch(`${watched.url}/badge.svg?ref=main`)).text();
  const level = /<title>[^<]*: (\w+)/.exec(badge)?.[1];
  scene.say('badge', `${watched.url}/badge.svg?ref=main says ${level}`);

  out.say('', out.colours.bold('A pull request of a stranger'));
  const pull = await playPull(scene, watched);
  if (flag?.status !== 'success' || copied !== 'hello, forge' || level !== 'trusted' || pull !== 'success')
    throw new QuorateError('DEMO_STORY_INCOMPLETE', 'not all of it became trusted');
  out.say('', `${out.colours.bold(out.colours.green('trusted'))}, from the push to the flag of the commit.`);
  if (json)
    process.stdout.write(
      `${JSON.stringify({ flag: flag.status, page: page.status, hook: copied, badge: level, pull })}\n`,
    );
}

async function startPagure(scene: Scene): Promise<Pagure> {
  const dir = scene.folder('pagure');
  const pagure = await Pagure.start(dir, ['owner', 'mallory'], (name, command, args) => {
    scene.processes.serve(name, command, args, { cwd: dir, json: false });
  });
  await pagure.newProject('owner', 'tool');
  scene.say('pagure', `${pagure.url}/tool (accounts: owner, mallory; password-NAME)`);
  await commit(scene, { 'quorate.yaml': jobFile, greeting: 'hello\n' });
  await pagure.push('owner', workOf(scene), 'tool', 'main');
  return pagure;
}

const workOf = (scene: Scene): string => scene.folder('work');

async function commit(scene: Scene, files: Record<string, string>): Promise<void> {
  const work = workOf(scene);
  await scene.git(['init', '--quiet', '--initial-branch=main'], work);
  for (const [name, text] of Object.entries(files)) await writeFile(join(work, name), text);
  await scene.git(['add', '--all'], work);
  const by = ['-c', 'user.name=a', '-c', 'user.email=a@example.org'];
  await scene.git([...by, 'commit', '--quiet', '--message=change'], work);
}

/** Writes watch.toml, starts the watcher, and shows each status that it sets. */
async function watch(scene: Scene, pagure: Pagure, source: string, to: Project): Promise<Watched> {
  const home = scene.folder('home-watch');
  const port = await freePort();
  const secret = await pagure.sendHooks('tool', `http://127.0.0.1:${port}/webhook`);
  await mkdir(home, { recursive: true });
  await writeFile(join(home, 'forge.token'), pagure.tokens.owner ?? '', { mode: 0o600 });
  await writeFile(join(home, 'webhook.secret'), secret, { mode: 0o600 });
  const lines = [
    ...['[repository]', `url = "${source}"`, 'poll = "5s"'],
    ...['[forge]', 'kind = "pagure"', `api = "${pagure.url}"`, 'project = "tool"'],
    ...['token-file = "forge.token"', 'webhook-secret-file = "webhook.secret"'],
    ...['[status]', `link = "${to.http}/runs/{run}"`],
    ...['[http]', `listen = "127.0.0.1:${port}"`, '[pull-requests]'],
    ...['[[rule]]', 'name = "main"', 'branches = ["main"]'],
  ];
  await writeFile(join(home, 'watch.toml'), `${lines.join('\n')}\n`);
  const watcher = scene.serve('quorate watch', ['watch', '--home', home], to.repo);
  watcher.onLine((line) => {
    if (line.event === 'webhook') scene.say('webhook', 'signed by pagure; the watcher looks');
    if (line.event !== 'status-set') return;
    const { state, says } = line.status as { state: string; says: string };
    scene.say('status', `${String(line.key).slice(41)}: ${state}: ${says}`);
  });
  const { http } = await watcher.line(({ event }) => event === 'watching', 'to watch', waitSeconds);
  await watcher.line(({ event }) => event === 'looked', 'to look', waitSeconds);
  scene.say('watcher', `${String(http)}, with ${join(home, 'watch.toml')}`);
  return { pagure, watcher, home, url: String(http), to };
}

/** Copies the files of the first artifact that becomes trusted. */
function startHook(scene: Scene, to: Project, into: string): Running {
  const command = ['sh', '-c', `cp "$QUORATE_ARTIFACT"/* '${into}'`];
  const args = ['--json', '--home', scene.folder('home-hook'), 'on', 'trusted', '--ref', 'main', '--once'];
  return scene.processes.start('quorate on', process.execPath, [quiet, cli, ...args, '--', ...command], {
    cwd: to.repo,
  });
}

const isSet =
  (key: string, wanted: string) =>
  ({ event, key: of, status }: Line): boolean =>
    event === 'status-set' && of === key && (status as { state: string }).state === wanted;

const untilGreen = ({ watcher }: Watched, key: string): Promise<Line> =>
  watcher.line(isSet(key, 'success'), `${key} to be green`, waitSeconds);

async function runOf({ watcher }: Watched, of: string): Promise<string> {
  const isOf = ({ event, id }: Line) => event === 'published' && String(id).includes(of);
  const { runs } = await watcher.line(isOf, 'to publish', waitSeconds);
  return (runs as { run: string }[])[0]?.run ?? '';
}

/** Gives the state of the flag at its end. */
async function playPull(scene: Scene, watched: Watched): Promise<string | undefined> {
  const { pagure, watcher, home, to } = watched;
  await commit(scene, { greeting: 'hello, stranger\n', 'quorate.yaml': weaker });
  const proposed = await pagure.propose('mallory', workOf(scene), 'tool', 'another greeting');
  scene.say('mallory', `proposes ${proposed.slice(0, 12)}, whose job file asks for one operator`);
  await watcher.line(isSet(`${proposed} quorate:pull`, 'pending'), 'to see the proposal', waitSeconds);
  await scene.quorate(['watch', 'approve', `1@${proposed}`, '--home', home], { cwd: to.repo });
  scene.say('owner', 'approves that commit: it is built under the floor of the charter all the same');
  await untilGreen(watched, `${proposed} quorate:pull`);
  const flag = (await pagure.flags('tool', proposed)).get('quorate:pull');
  scene.say('pagure shows', `${flag?.status}: ${flag?.comment}`);
  return flag?.status;
}
