import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..', '..');
const secondsMax = 280;
let temp: string;

beforeAll(() => {
  temp = mkdtempSync(join(tmpdir(), 'quorate-quick-start-'));
});
afterAll(() => rmSync(temp, { recursive: true, force: true }));

function freePort(): Promise<string> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(String(typeof address === 'object' ? address?.port : 0)));
    });
  });
}

/** What the README tells to type, in another folder and on ports that are free here. */
async function quickStart(): Promise<string> {
  const block =
    /<!-- quick-start -->\n```sh\n([\s\S]*?)```/.exec(readFileSync(join(root, 'README.md'), 'utf8'))?.[1] ??
    '';
  expect(block).toContain('quorate run');
  return block
    .replaceAll('/tmp', temp)
    .replaceAll('/usr/local/bin', temp)
    .replaceAll('9418', await freePort())
    .replaceAll('4710', await freePort());
}

it('the quick start of the README works as it is written', async () => {
  const shell = spawn('bash', ['-eo', 'pipefail', '-c', await quickStart()], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own, so that nothing of it outlives the test.
    detached: true,
    env: {
      PATH: `${temp}:${process.env.PATH}`,
      HOME: join(temp, 'user'),
      GIT_AUTHOR_NAME: 'a',
      GIT_AUTHOR_EMAIL: 'a@example.org',
      GIT_COMMITTER_NAME: 'a',
      GIT_COMMITTER_EMAIL: 'a@example.org',
      GIT_CONFIG_NOSYSTEM: '1',
    },
  });
  const end = () => {
    try {
      process.kill(-(shell.pid ?? 0), 'SIGKILL');
    } catch {
      // All of it has ended.
    }
  };
  const late = setTimeout(end, secondsMax * 1000);
  let said = '';
  for (const stream of [shell.stdout, shell.stderr]) {
    stream.on('data', (chunk) => {
      said += chunk;
    });
  }
  await new Promise((resolve) => shell.on('exit', resolve));
  clearTimeout(late);
  end();
  expect(said).toMatch(/agreed bafybei\w+ by \w+, \w+, \w+\n/);
  expect(said).toMatch(/co-signed 12D3Koo/);
  expect(said).toContain('hello, world\n');
});
