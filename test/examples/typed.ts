import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { freePort } from '../../examples/demo/free-port.ts';

/** Variables of proxies, their certificates, and npm's registry. */
const reaching = /^(https?_proxy|no_proxy|node_extra_ca_certs|ssl_cert_(file|dir)|npm_config_registry)$/i;
const root = join(import.meta.dirname, '..', '..');

interface Place {
  ports?: readonly string[];
  seconds: number;
  /** Where it is typed; at the root of this repository by default. */
  cwd?: string;
  /** Before the folders of programs. */
  bin?: string;
  /** Folders of the page, and those that stand for them here. */
  folders?: Readonly<Record<string, string>>;
  env?: NodeJS.ProcessEnv;
}

/**
 * Types a block of a page of this repository, which begins after `<!-- name -->`, into a shell: in other folders, and on ports
 * that are free here. Gives all that it said, with the block's end or after `seconds`, and its exit status; null where it did not end.
 */
export async function typed(
  page: string,
  name: string,
  { ports = [], seconds, cwd = root, bin, folders = {}, env = {} }: Place,
): Promise<{ said: string; code: number | null }> {
  const temp = mkdtempSync(join(tmpdir(), `quorate-${name}-`));
  onTestFinished(() => rmSync(temp, { recursive: true, force: true }));
  const text = readFileSync(join(root, page), 'utf8');
  let [, block = ''] = new RegExp(`<!-- ${name} -->\n\`\`\`sh\n([\\s\\S]*?)\`\`\``).exec(text) ?? [];
  if (block === '') throw new Error(`${page} has no block ${name}`);
  block = block.replaceAll('/tmp', temp).replaceAll('/usr/local/bin', temp);
  for (const [named, here] of Object.entries(folders)) block = block.replaceAll(named, here);
  for (const port of ports) block = block.replaceAll(port, String(await freePort()));
  const shell = spawn('bash', ['-eo', 'pipefail', '-c', block], {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own, so that nothing of it outlives the test.
    detached: true,
    env: {
      PATH: [bin, temp, process.env.PATH].filter((part) => part !== undefined).join(':'),
      HOME: join(temp, 'user'),
      // As this machine reaches its registries.
      ...Object.fromEntries(Object.entries(process.env).filter(([name]) => reaching.test(name))),
      npm_config_userconfig: process.env.npm_config_userconfig ?? join(homedir(), '.npmrc'),
      TMPDIR: temp,
      GIT_AUTHOR_NAME: 'a',
      GIT_AUTHOR_EMAIL: 'a@example.org',
      GIT_COMMITTER_NAME: 'a',
      GIT_COMMITTER_EMAIL: 'a@example.org',
      GIT_CONFIG_NOSYSTEM: '1',
      ...env,
    },
  });
  const end = () => {
    try {
      process.kill(-(shell.pid ?? 0), 'SIGKILL');
    } catch {
      // All of it has ended.
    }
  };
  const late = setTimeout(end, seconds * 1000);
  let said = '';
  for (const stream of [shell.stdout, shell.stderr]) {
    stream.on('data', (chunk) => {
      said += chunk;
    });
  }
  const closed = once(shell, 'close');
  const code = await new Promise<number | null>((resolve) => shell.on('exit', resolve));
  clearTimeout(late);
  end();
  await closed;
  return { said, code };
}
