import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { MixedCluster } from './support/cluster.ts';
import { gate } from './support/gate.ts';
import { git } from './support/git.ts';
import { jobFile, program } from './support/jobs.ts';

let cluster: MixedCluster;
/** An artifact that became trusted, for the tests after it. */
let trusted = '';

beforeAll(async () => {
  cluster = await MixedCluster.start({
    volunteers: ['ada', 'ben', 'cleo'],
    bootstrap: true,
    askInside: true,
  });
});

describe('a project without its trusted worker', () => {
  it('agrees but is not trusted, and fetch says so; it is trusted once the trusted worker has come', async () => {
    const listing = 'env | grep -E "^(CI|QUORATE_|SOURCE_DATE_EPOCH)" | sort > "$OUT/environment"';
    const run = await cluster.submit(await cluster.git.commit('hello', program('hello', listing)));
    const { artifact } = await run.event('verdict');
    expect(run.all('verdict')).toMatchObject([{ level: 'agreed' }]);

    const refused = await cluster.refusedFetch(String(artifact), 'early');
    expect(refused.code, refused.report).toBe(1);
    expect(refused.error).toBe('NOT_TRUSTED');
    expect(JSON.stringify(refused.lines)).toContain('The trusted worker has not confirmed it yet');
    expect(existsSync(cluster.fetched('early'))).toBe(false);

    const before = run.all('leased').length;
    const tower = await cluster.trusted();
    const { code } = await run.end();
    expect(code, run.report()).toBe(0);
    expect(run.all('leased').slice(before)).toMatchObject([{ slot: 'trusted', operator: 'tower' }]);
    expect(run.lines.at(-1)).toMatchObject({ event: 'verdict', level: 'trusted', artifact });
    // It came after the offer was gossiped: only the backlog could bring it.
    expect(tower.all('offer')).toMatchObject([{ data: { via: 'backlog' } }]);

    const fetched = await cluster.fetch(String(artifact), 'hello');
    expect(fetched.code, fetched.report).toBe(0);
    expect(await cluster.readText('fetched', 'hello', 'bin', 'say')).toContain('echo hello');
    const told = await git(join(cluster.git.dir, 'hello'), 'log', '-1', '--format=%H %ct');
    const [commit, seconds] = told.split(' ');
    expect((await cluster.readText('fetched', 'hello', 'environment')).split('\n')).toEqual([
      ...['CI=true', `QUORATE_COMMIT=${commit}`, `QUORATE_COMMIT_TIME=${seconds}`],
      ...[expect.stringMatching(/^QUORATE_TREE=bafy/), `SOURCE_DATE_EPOCH=${seconds}`, ''],
    ]);
    trusted = String(artifact);
  });

  it('had its offer once where workers were there already, by gossip or by the poll that came first', () => {
    for (const name of ['ada', 'ben', 'cleo']) {
      const [offer, ...more] = cluster.worker(name).all('offer') as { data: { via: string } }[];
      expect(['gossip', 'backlog']).toContain(offer?.data.via);
      expect(more).toEqual([]);
    }
  });
});

describe('an artifact that is trusted', () => {
  it('runs once it is fetched, and is refused under the name of another source or ref', async () => {
    const source = cluster.git.url('hello');
    const fetched = await cluster.fetch(trusted, 'project', '--source', source, '--ref', 'HEAD');
    expect(fetched.code, fetched.report).toBe(0);
    const { stdout } = await promisify(execFile)('bin/say', { cwd: cluster.fetched('project') });
    expect(stdout).toBe('hello\n');

    const elsewhere = await cluster.refusedFetch(trusted, 'elsewhere', '--ref', 'v9');
    expect([elsewhere.code, elsewhere.error], elsewhere.report).toEqual([1, 'NOT_TRUSTED']);
    expect(elsewhere.report).toMatch(/is not what was asked for: .* built at .*, not at v9/);
    const other = await cluster.refusedFetch(trusted, 'other', '--source', cluster.git.url('other'));
    expect([other.code, other.error], other.report).toEqual([1, 'NOT_TRUSTED']);
    expect(existsSync(cluster.fetched('other'))).toBe(false);
  });
});

describe('a build that fails', () => {
  it('ends failed once the trusted worker failed too, with its log to read', async () => {
    const url = await cluster.git.commit('broken', {
      'main.c': 'int main(void) { return undeclared; }\n',
      'quorate.yaml': jobFile({ run: ['gcc -o "$OUT/main" main.c'] }),
    });
    const run = await cluster.submit(url);
    const { code } = await run.end();
    expect(code, run.report()).toBe(1);
    expect(run.lines.at(-1)).toMatchObject({ event: 'verdict', level: 'failed', artifact: null });
    const logs = await cluster.cli(['logs', run.run]);
    expect(logs.code, logs.report).toBe(0);
    for (const operator of ['ada', 'ben', 'cleo', 'tower']) {
      const text = logs.lines.filter((line) => line.operator === operator).map((line) => line.text);
      expect(text.join('')).toMatch(/main\.c.*error: .undeclared. undeclared/);
    }
  });
});

describe('logs', () => {
  const escapeCharacter = String.fromCharCode(27);

  it('come live to the publisher while the round is sealed, to nobody else, and without control characters', async () => {
    const held = gate();
    const url = await cluster.git.commit('slow', {
      'quorate.yaml': jobFile({
        run: [
          `printf '\\033]0;owned\\007\\033[2Jfirst\\rsecond\\n'`,
          held.step,
          'echo last; echo built > "$OUT/file"',
        ],
      }),
    });
    const run = await cluster.submit(url);
    const follower = cluster.start('quorate logs', ['logs', run.run, '--follow']);
    const texts = () => follower.lines.map((line) => String(line.text ?? '')).join('');
    await held.reached(4);
    const eavesdropper = await cluster.cli(['logs', run.run], { home: 'ada', cwd: cluster.dir });
    expect([eavesdropper.code, eavesdropper.error], eavesdropper.report).toEqual([3, 'LOGS_SEALED']);
    await follower.told('what was written', () => texts().includes('second'));
    expect(texts()).not.toContain('last');
    expect(run.all('revealed')).toEqual([]);

    await held.open();
    expect((await run.end()).code, run.report()).toBe(0);
    expect((await follower.end()).code, follower.report()).toBe(0);
    const nobodys = await cluster.cli(['logs', run.run, '--worker', 'nope'], {
      home: 'ada',
      cwd: cluster.dir,
    });
    expect([nobodys.code, nobodys.error], nobodys.report).toEqual([2, 'LOGS_WORKER_UNKNOWN']);
    expect(nobodys.report).toMatch(/There are: .*ada 12D3KooW\w+/);
    expect(texts()).toContain('last');
    expect(texts()).not.toContain(escapeCharacter);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: looking for control characters is the point
    expect(texts()).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);

    const later = await cluster.cli(['logs', run.run], { home: 'ada', cwd: cluster.dir });
    expect(later.code, later.report).toBe(0);
    expect(later.lines.map((line) => line.text).join('')).toContain('last');
  });
});

describe('Ctrl-C', () => {
  it('on run stops following, and the job goes on', async () => {
    const since = cluster.control.mark();
    const held = gate();
    const url = await cluster.git.commit('detached', program('detached', held.step));
    const run = cluster.start('quorate run', ['run', url]);
    await held.reached(4);
    const [submitted] = run.all('submitted');
    expect((await run.stop('SIGINT')).code).toBe(130);
    expect(run.stderr).toContain('the job goes on');
    await held.open();
    const where = ({ data }: { data?: unknown }) => (data as { run?: string }).run === submitted?.run;
    await cluster.control.event('verdict', {
      since,
      where: (line) => where(line) && (line.data as { level?: string }).level === 'trusted',
    });
  });
});

describe('without its controller', () => {
  it('an artifact is still to be had from volunteers, by a stranger who knows the bootstrap node', async () => {
    expect(await cluster.control.stop('SIGINT')).toEqual({ code: 0, signal: null });
    const fetched = await cluster.fetch(trusted, 'without', '--bundle-out', join(cluster.dir, 'bundle.json'));
    expect(fetched.code, fetched.report).toBe(0);
    const [answer] = fetched.lines.slice(-1) as { controllerUsed?: boolean; providers?: string[] }[];
    expect(answer?.controllerUsed).toBe(false);
    expect(answer?.providers?.length).toBeGreaterThan(0);
    expect(existsSync(cluster.fetched('without'))).toBe(true);
  });

  it('or by its owner, where no bootstrap node answers: from workers that the controller met', async () => {
    await cluster.bootstrap?.stop();
    const args = ['fetch', trusted, '-o', cluster.fetched('met')];
    const fetched = await cluster.answer(cluster.spawn('fetch', args));
    expect(fetched.code, fetched.report).toBe(0);
    expect(fetched.lines.at(-1)).toMatchObject({ controllerUsed: false });
  });

  it('is verified offline from the project key alone, and not from another or after a change', async () => {
    const bundle = join(cluster.dir, 'bundle.json');
    const files = cluster.fetched('without');
    const place = { home: 'stranger', cwd: cluster.dir };
    const words = (file: string) => ['verify', files, '--bundle', file, '--project', cluster.project];
    const verify = (file: string, ...more: string[]) => cluster.cli([...words(file), ...more], place);
    const good = await cluster.answer(cluster.spawn('verify', words(bundle), place));
    expect(good.code, good.report).toBe(0);
    const changed = join(cluster.dir, 'changed.json');
    const text = await cluster.readText('bundle.json');
    await writeFile(changed, text.replace('mkdir', 'mkdlr'));
    expect(await verify(changed)).toMatchObject({ code: 1, lines: [{ code: 'REQUEST_JOB_MISMATCH' }] });
    // In another order of its fields it is no bundle at all.
    const { job, ...rest } = JSON.parse(text) as { job: string };
    await writeFile(changed, JSON.stringify({ ...rest, job }));
    expect(await verify(changed)).toMatchObject({ code: 2, error: 'BUNDLE_UNREADABLE' });
    expect((await verify(bundle, '--ref', 'refs/heads/other')).code).toBe(1);
    await writeFile(join(files, 'more'), '');
    expect((await verify(bundle)).lines).toMatchObject([{ code: 'FILES_TREE_MISMATCH' }]);
  });
});
