import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { git } from './support/git.ts';
import { program } from './support/jobs.ts';
import { LocalCluster } from './support/local-cluster.ts';

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

  // Nothing is new, and --once waits for something that is.
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
