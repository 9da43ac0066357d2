import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { openProjectFolder } from '../../src/owner/project-folder.ts';
import { encodeEquivocation } from '../../src/protocol/documents/index.ts';
import { formatCheckpoint, signCheckpoint } from '../../src/protocol/transparency/index.ts';
import { killAll, processesWith, uniqueSleep } from '../sandbox/support.ts';
import { git } from './support/git.ts';
import { program } from './support/jobs.ts';
import { LocalCluster } from './support/local-cluster.ts';
import { until } from './support/wait.ts';

let cluster: LocalCluster;
let log: string;
let script: string;

beforeAll(async () => {
  cluster = await LocalCluster.start({ volunteers: ['ada', 'ben', 'cyd'], trusted: true });
  log = join(cluster.dir, 'commands.txt');
  script = join(cluster.dir, 'publish.sh');
  await writeFile(
    script,
    `#!/bin/sh
set -e
find "$QUORATE_ARTIFACT" -perm /222 | grep . && exit 9
test -s "$QUORATE_BUNDLE"
echo "$QUORATE_EVENT $QUORATE_JOB $QUORATE_REF $QUORATE_COMMIT $QUORATE_CID $QUORATE_REQUEST $("$QUORATE_ARTIFACT/bin/say")" >> "${log}"
exit "\${1:-0}"
`,
    { mode: 0o755 },
  );
});

const commands = async () =>
  existsSync(log)
    ? (await readFile(log, 'utf8'))
        .trim()
        .split('\n')
        .map((line) => line.split(' '))
    : [];
const hook = (...args: string[]) => cluster.start('quorate on', ['on', 'trusted', '--ref', 'main', ...args]);

async function build(says: string, ...more: string[]): Promise<{ run: string; artifact: string }> {
  const url = await cluster.git.commit('tool', program(says));
  const node = await cluster.submit(url, ...(more.length > 0 ? more : ['--ref', 'main']));
  expect((await node.end()).code, node.report()).toBe(0);
  return { run: node.run, artifact: String(node.lines.at(-1)?.artifact) };
}

it('runs the command with what is trusted, once, and never for a pull request', async () => {
  const first = await build('one');
  const following = hook('--', script);
  await following.event('ended', { where: ({ subject }) => subject === first.run });
  const commit = await git(cluster.git.folder('tool'), 'rev-parse', 'HEAD');
  expect(await commands()).toEqual([
    ['trusted', 'build', 'refs/heads/main', commit, first.artifact, first.run, 'one'],
  ]);

  await cluster.git.commit('tool', program('evil'));
  await git(cluster.git.folder('tool'), 'update-ref', 'refs/pull/1/head', 'HEAD');
  const pull = await build('evil', '--ref', 'refs/pull/1/head');
  const second = await build('two');
  await following.event('ended', { where: ({ subject }) => subject === second.run });
  expect(following.all('started').map(({ subject }) => subject)).toEqual([first.run, second.run]);
  expect(following.report()).not.toContain(pull.run);
  expect(await following.stop()).toEqual({ code: 0, signal: null });

  // No run is new, and --once waits for one.
  const again = hook('--once', '--', script, '7');
  await again.event('following');
  const third = await build('three');
  expect((await again.end()).code, again.report()).toBe(1);
  expect(again.all('ended')).toMatchObject([{ subject: third.run, outcome: { kind: 'exit', code: 7 } }]);
  expect((await commands()).map((words) => words[6])).toEqual(['one', 'two', 'three']);

  const listed = await cluster.cli(['on', 'trusted', '--again']);
  expect(listed.lines, listed.report).toMatchObject([
    [{ subject: third.run, state: 'ended', outcome: { kind: 'exit', code: 7 } }],
  ]);
  const older = await cluster.cli(['on', 'trusted', '--ref', 'main', '--again', second.run, '--', script]);
  expect([older.code, older.error], older.report).toEqual([1, 'HOOK_OLDER']);
  const repeated = await cluster.cli([
    'on',
    'trusted',
    '--ref',
    'main',
    '--again',
    third.run.slice(0, 10),
    '--',
    script,
  ]);
  expect(repeated.code, repeated.report).toBe(0);
  expect((await cluster.cli(['on', 'trusted', '--again'])).lines).toEqual([[]]);
  expect((await commands()).map((words) => words[6])).toEqual(['one', 'two', 'three', 'three']);
});

it('in a process of its own: Ctrl-C ends the command, and what was killed in the middle is not repeated', async () => {
  const { run } = await build('four');
  const mark = uniqueSleep();
  const words = ['on', 'trusted', '--ref', 'main', '--name', 'slow'];
  const start = () =>
    cluster.spawn('quorate on', [...words, '--', 'sh', '-c', `trap '' TERM; sleep ${mark}`]);
  const killed = start();
  await killed.event('started', { where: ({ subject }) => subject === run });
  await until('the command', async () => (await processesWith(mark)).length > 0);
  killed.signal('SIGKILL');
  // The command outlives the killed hook: it is a process of its own, and holds the hook's standard error open.
  killAll(await processesWith(mark));
  expect(await killed.ended).toMatchObject({ signal: 'SIGKILL' });

  const again = start();
  expect(await again.event('ended')).toMatchObject({ subject: run, outcome: { kind: 'unknown' } });
  await again.event('following');
  const next = await build('five');
  await again.event('started', { where: ({ subject }) => subject === next.run });
  await until('the command', async () => (await processesWith(mark)).length > 0);
  expect(await again.stop('SIGINT')).toEqual({ code: 0, signal: null });
  expect(again.all('ended').at(-1)).toMatchObject({ subject: next.run, outcome: { kind: 'stopped' } });
  await until('its end', async () => (await processesWith(mark)).length === 0);
  expect(again.all('started').map(({ subject }) => subject)).toEqual([next.run]);
});

it('tells the owner of what was revoked, and of a log with two stories, once', async () => {
  const { run, artifact } = await build('six');
  const script = `echo "$QUORATE_EVENT $QUORATE_REQUEST $QUORATE_REASON" >> "${log}.alarms"`;
  const alarm = cluster.start('quorate on', ['on', 'disputed', '--', 'sh', '-c', script]);
  await alarm.event('following');
  const revoked = await cluster.cli(['revoke', artifact, '--reason', 'it was stolen', '--since', '0']);
  expect(revoked.code, revoked.report).toBe(0);
  await alarm.event('ended', { where: ({ subject }) => subject === `revoked:${run}` });
  await alarm.stop();

  const { controller, charterJws: charter } = await openProjectFolder(cluster.projectDir);
  const signed = (root: string) =>
    signCheckpoint(
      formatCheckpoint({ project: cluster.project, size: 5, root: root.repeat(64) }),
      controller.signer,
    );
  const evidence = join(cluster.dir, 'evidence.json');
  const checkpoints: [string, string] = [await signed('a'), await signed('b')];
  await writeFile(evidence, encodeEquivocation({ v: 1, kind: 'roots', charter, checkpoints }));
  const proven = await cluster.cli(['verify', '--equivocation', evidence, '--project', cluster.project]);
  expect(proven.code, proven.report).toBe(0);
  const once = cluster.start('quorate on', ['on', 'disputed', '--once', '--', 'sh', '-c', script]);
  expect((await once.end()).code, once.report()).toBe(0);
  const told = (await readFile(`${log}.alarms`, 'utf8')).trim().split('\n');
  expect(told.filter((line) => line.startsWith(`revoked ${run} `))).toEqual([`revoked ${run} it was stolen`]);
  expect(told.at(-1)).toMatch(/^equivocation {2}.*signed two logs of 5 leaves/);
});
