import { type ChildProcess, execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ending, folder, quorate, repository, start } from '../cli/support.ts';

let repo: string;
let controller: ChildProcess;
let listening: { id: string; project: string; addresses: string[] };

/** The first line of JSON a running command prints that fits. */
function line(child: ChildProcess, event: string): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${event}`)), 120_000);
    if (child.stdout === null) throw new Error('its output is a pipe');
    createInterface({ input: child.stdout }).on('line', (text) => {
      const value = JSON.parse(text);
      if (value.event !== event) return;
      clearTimeout(timer);
      resolve(value);
    });
  });
}

async function ticket(...args: string[]): Promise<string> {
  const { code, out } = await quorate(['invite', ...args, '--json'], { cwd: repo });
  expect(code).toBe(0);
  return JSON.parse(out).ticket;
}

beforeAll(async () => {
  repo = repository();
  await quorate(['init', '--name', 'tool'], { cwd: repo });
  controller = start(['controller', '--listen', '/ip4/127.0.0.1/tcp/0', '--json'], { cwd: repo });
  listening = (await line(controller, 'listening')) as unknown as typeof listening;
});
afterAll(() => controller.kill('SIGKILL'));

describe('quorate init --vcs', () => {
  const made = async (vcs: string, remote?: string) => {
    const dir = repository();
    if (remote !== undefined) {
      const git = (...args: string[]) =>
        execFileSync('git', ['-C', dir, '-c', 'user.name=a', '-c', 'user.email=a@example.org', ...args], {
          timeout: 120_000,
        });
      git('remote', 'add', 'origin', remote);
      git('commit', '--quiet', '--allow-empty', '-m', 'x');
    }
    return (await quorate(['init', '--vcs', vcs], { cwd: dir })).out;
  };

  it('warns of a server without a port', async () => {
    expect(await made('git.example.org')).toMatch(
      /Without a port git\.example\.org stands for the usual ones/,
    );
    expect(await made('git.example.org:3000')).not.toContain('Without a port');
  });

  it('warns where the remote is at none of the servers', async () => {
    const remote = 'http://git.example.org:3000/tool.git';
    expect(await made('git.example.org', remote)).toContain(
      'quorate charter set --vcs git.example.org --vcs git.example.org:3000',
    );
    expect(await made('git.example.org:3000', remote)).not.toContain('is not among them');
  });
});

describe('a project with its controller', () => {
  it('admits a publisher with a ticket, who then asks for jobs', async () => {
    const home = join(folder(), 'home');
    const joined = await quorate([
      'join',
      await ticket('pat', '--role', 'publisher'),
      '--home',
      home,
      '--json',
    ]);
    expect(joined).toMatchObject({ code: 0, err: '' });
    expect(JSON.parse(joined.out)).toMatchObject({
      event: 'joined',
      operator: 'pat',
      project: listening.project,
    });
    expect(await quorate(['jobs', '--home', home, '--json'])).toMatchObject({
      code: 0,
      out: '[]\n',
      err: '',
    });
    const shown = await quorate(['show', 'bafyreiunknown', '--home', home]);
    expect(shown.code).toBe(2);
    expect(shown.err).toContain('error[JOB_UNKNOWN]');
  });

  it('lets the owner ask without a ticket, from anywhere in the repository', async () => {
    const { code, out } = await quorate(['jobs'], {
      cwd: repo,
      env: { QUORATE_HOME: join(folder(), 'home') },
    });
    expect(code).toBe(0);
    expect(out).toContain('No jobs yet');
  });

  it('prints a ticket that says how to use it', async () => {
    const { out } = await quorate(['invite', 'alice', '--hosts', '3', '--expires', '12h'], {
      cwd: repo,
    });
    expect(out).toMatch(
      /A ticket for alice, worker, 3 hosts, until .*Z:\n\nquorate1\.\S+\n\n.*quorate join <ticket>/,
    );
    // The controller listens at 127.0.0.1.
    expect(out).toMatch(/\nThe ticket names addresses of this machine only: .*quorate controller --announce/);
  });

  it('prints the tickets of several with their names, a list with --json', async () => {
    const { out } = await quorate(['invite', 'ada', 'ben', '--hosts', '2'], { cwd: repo });
    expect(out).toMatch(
      /2 operators, worker, 2 hosts each, until .*\n\nada {2}quorate1\.\S+\nben {2}quorate1\.\S+\n/,
    );
    const json = await quorate(['invite', 'ada', 'ben', '--json'], { cwd: repo });
    const made: { operator: string; ticket: string }[] = JSON.parse(json.out);
    expect(made.map(({ operator }) => operator)).toEqual(['ada', 'ben']);
    expect(new Set(made.map(({ ticket: one }) => one)).size).toBe(2);
  });

  it.each([
    [['ada', 'no good'], /"no good" cannot be/],
    [['ada', 'ben', 'ada'], /"ada" is named twice/],
    [Array.from({ length: 51 }, (_, at) => `o${at}`), /at most 50 tickets/],
    [['ada', 'ben', '--role', 'trusted-worker', '--key', '12D3KooW'], /--key is that of one host/],
    [['ada', 'pat'], /the operator pat was revoked/],
  ])('makes no ticket where one of several is refused: %j', async (words, why) => {
    if (words.includes('pat')) {
      const revoke = ['revoke', 'pat', '--as', 'operator', '--reason', 'left', '--yes'];
      expect(await quorate(revoke, { cwd: repo })).toMatchObject({ code: 0 });
    }
    const { code, out, err } = await quorate(['invite', ...words], { cwd: repo });
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(why);
  });

  it('shows its charter, and names what changes it where it is made again', async () => {
    const { code, out } = await quorate(['charter', 'show'], { cwd: repo });
    expect(code).toBe(0);
    expect(out).toMatch(new RegExp(`^Charter of tool, epoch \\d+\\n {2}root key +${listening.project}\\n`));
    expect(out).toContain('To change it: quorate charter set');
    const json = JSON.parse((await quorate(['charter', 'show', '--json'], { cwd: repo })).out);
    expect(json).toMatchObject({ project: listening.project, controllers: [listening.id], recipes: 'own' });
    const again = await quorate(['init'], { cwd: repo });
    expect(again).toMatchObject({
      code: 2,
      err: expect.stringMatching(/PROJECT_EXISTS[\s\S]*quorate charter set/),
    });
  });

  it('names a trusted worker in the charter, for its key alone', async () => {
    const home = join(folder(), 'home');
    const other = join(folder(), 'home');
    const key = (await quorate(['key', '--home', home])).out.trim();
    const without = await quorate(['invite', 'me', '--role', 'trusted-worker'], { cwd: repo });
    expect(without.code).toBe(2);
    expect(without.err).toMatch(/INVITE_NEEDS_KEY[\s\S]*quorate key/);
    const made = await quorate(['invite', 'me', '--role', 'trusted-worker', '--key', key, '--json'], {
      cwd: repo,
    });
    expect(JSON.parse(made.out)).toMatchObject({ charterChanged: true });
    const wrong = await quorate(['join', JSON.parse(made.out).ticket, '--home', other, '--yes']);
    expect(wrong.code).toBe(2);
    expect(wrong.err).toContain('error[TICKET_KEY_MISMATCH]');
  });

  it('refuses a ticket that was changed, and asks before it lends', async () => {
    const good = await ticket('mallory');
    const changed = await quorate(['join', `${good.slice(0, -4)}AAAA`, '--yes', '--tier', 'namespace']);
    expect(changed.code).toBe(2);
    expect(changed.err).toContain('error[TICKET_MALFORMED]');
    const silent = await quorate(['join', good, '--tier', 'namespace']);
    expect(silent.code).toBe(2);
    expect(silent.err).toMatch(/CLI_CONFIRMATION_NEEDED[\s\S]*--yes/);
    expect(silent.out).toContain('in a sandbox');
  });

  it('needs a remote that workers can reach', async () => {
    const { code, err } = await quorate(['run'], { cwd: repo });
    expect(code).toBe(2);
    expect(err).toMatch(/SOURCE_NO_COMMIT|CLI_USAGE/);
  });

  it('cannot listen where another does, and says so', async () => {
    const [address = ''] = listening.addresses;
    const other = repository();
    await quorate(['init'], { cwd: other });
    const { code, err } = await quorate(['controller', '--listen', address.replace(/\/p2p\/.*/, '')], {
      cwd: other,
    });
    expect(code).toBe(3);
    expect(err).toMatch(/error\[MESH_LISTEN_FAILED\][\s\S]*hint: /);
  });

  it('stops on Ctrl-C and exits 0', async () => {
    const ended = ending(controller);
    controller.kill('SIGINT');
    expect(await ended).toMatchObject({ code: 0, err: '' });
    const gone = await quorate(['jobs'], { cwd: repo, env: { QUORATE_HOME: join(folder(), 'home') } });
    expect(gone.code).toBe(3);
    expect(gone.err).toMatch(/^error\[CONTROLLER_UNREACHABLE\][\s\S]*hint: /);
  });
});
