import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { acrossTiers, packagesOf } from '../../src/execution/commands/doctor.ts';
import { parseJobFile } from '../../src/jobfile/index.ts';
import { ending, folder, quorate, quorateProcess, repository, start } from './support.ts';

describe('key', () => {
  it('makes a key once, for its owner only', async () => {
    const home = join(folder(), 'home');
    const first = await quorate(['key', '--home', home]);
    const second = await quorate(['key', '--json'], { env: { QUORATE_HOME: home } });
    expect(first.out).toMatch(/^12D3KooW\w{44}\n$/);
    expect(first.err).toContain(`new key, made in ${home}`);
    expect(second.err).toBe('');
    expect(JSON.parse(second.out)).toEqual({ key: first.out.trim(), home });
    expect(statSync(join(home, 'node.key')).mode & 0o777).toBe(0o600);
  });

  it('says in one line when the folder cannot be used', async () => {
    const file = join(folder(), 'file');
    writeFileSync(file, '');
    const { code, err } = await quorate(['key', '--home', join(file, 'home')]);
    expect(code).toBe(3);
    expect(err).toMatch(/^error\[\w+\]: .*\n(hint: .*\n)?$/);
  });
});

describe('init', () => {
  it('makes a project, a job file that parses, and keeps the keys out of git', async () => {
    const repo = repository();
    writeFileSync(join(repo, 'Makefile'), 'all:\n');
    writeFileSync(join(repo, '.gitignore'), 'build');
    mkdirSync(join(repo, 'deep', 'down'), { recursive: true });
    const { code, out } = await quorate(['init', '--json', '--name', 'tool', '--vcs', 'git.example.org'], {
      cwd: join(repo, 'deep', 'down'),
    });
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      name: 'tool',
      vcs: ['git.example.org'],
      jobFile: 'made',
      ignored: 'added',
    });
    expect(readFileSync(join(repo, '.gitignore'), 'utf8')).toBe('build\n.quorate/\n');
    expect(
      parseJobFile(readFileSync(join(repo, 'quorate.yaml'), 'utf8'), 'quorate.yaml').jobs[0]?.run[0],
    ).toBe('make');
    expect(statSync(join(repo, '.quorate', 'root.key')).mode & 0o777).toBe(0o600);
  });

  it('changes nothing the second time, and never a job file that is there', async () => {
    const repo = repository();
    writeFileSync(join(repo, 'quorate.yaml'), 'mine\n');
    const first = await quorate(['init'], { cwd: repo });
    expect(first.code).toBe(0);
    expect(first.out).toContain('was there');
    const charter = readFileSync(join(repo, '.quorate', 'charter.jws'));
    const second = await quorate(['init'], { cwd: repo });
    expect(second).toMatchObject({ code: 2, out: '' });
    expect(second.err).toContain('error[PROJECT_EXISTS]');
    expect(readFileSync(join(repo, '.quorate', 'charter.jws'))).toEqual(charter);
    expect(readFileSync(join(repo, 'quorate.yaml'), 'utf8')).toBe('mine\n');
    expect(readFileSync(join(repo, '.gitignore'), 'utf8')).toBe('.quorate/\n');
  });

  it('says what to edit first where nothing was guessed, and in no other repository', async () => {
    const first = /\n {2}First edit quorate\.yaml: .* in place of \.\/build\.sh, and commit\.\n/;
    const [bare, known, scripted] = [repository(), repository(), repository()];
    writeFileSync(join(known, 'Makefile'), 'install:\n\tcp x $(DESTDIR)\n');
    writeFileSync(join(scripted, 'build.sh'), '');
    const { out } = await quorate(['init'], { cwd: bare });
    expect(out).toMatch(first);
    expect(out).not.toContain('an example job');
    expect(readFileSync(join(bare, 'quorate.yaml'), 'utf8')).toContain('# Nothing here says how');
    for (const cwd of [known, scripted]) {
      const guessed = await quorate(['init'], { cwd });
      expect(guessed.out).toContain('an example job');
      expect(guessed.out).not.toContain('First edit');
    }
  });

  it('wants a git repository', async () => {
    const { code, err } = await quorate(['init'], { cwd: folder() });
    expect(code).toBe(2);
    expect(err).toMatch(/error\[SOURCE_NO_REPOSITORY\][\s\S]*git init/);
  });

  it('makes no ticket before the controller has an address', async () => {
    const repo = repository();
    await quorate(['init'], { cwd: repo });
    const { code, err } = await quorate(['invite', 'alice'], { cwd: repo });
    expect(code).toBe(2);
    expect(err).toMatch(/TICKET_NO_ADDRESS[\s\S]*quorate controller/);
  });
});

describe('doctor', () => {
  it('looks at all that a build needs and at the one tier it is told to, and agrees with its exit code', async () => {
    const { code, out } = await quorate(['doctor', '--json', '--tier', 'namespace']);
    const { ok, tiers, checks } = JSON.parse(out) as {
      ok: boolean;
      tiers: { tier: string }[];
      checks: { name: string; ok: boolean }[];
    };
    expect(tiers.map(({ tier }) => tier)).toEqual(['namespace']);
    const names = checks.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['node', 'git', 'disk', 'clock']));
    expect(names.some((name) => name.startsWith('namespace sandbox'))).toBe(true);
    expect(ok).toBe(checks.every((check) => check.ok));
    expect(code).toBe(ok ? 0 : 3);
    const wrong = await quorate(['doctor', '--tier', 'vmm']);
    expect(wrong.code).toBe(2);
    expect(wrong.err).toContain('Did you mean vm?');
  });

  it('names what is missing and the command that brings it', async () => {
    const { code, out } = await quorateProcess(['doctor', '--tier', 'namespace'], {
      env: { PATH: folder() },
    });
    expect(code).toBe(3);
    expect(out).toMatch(/^This machine cannot build yet\.\n/);
    expect(out).toMatch(/missing git: not found\n\s+apt-get install -y git/);
    expect(out).not.toMatch(/^ok /m);
    expect(out).toMatch(
      /\n\d+ things were looked at, \d+ (is|are) missing\. All of them: quorate doctor --verbose\n$/,
    );
    expect(out).toMatch(/as root:\n {2}apt-get update && apt-get install -y .*\bgit\b/);
  });

  it('says first what the machine can do, and shows what was found only to who asks', async () => {
    const verbose = await quorate(['doctor', '--verbose', '--tier', 'namespace']);
    expect(verbose.out).toMatch(/^This machine can(not)? build( yet)?\.\n {2}namespace /);
    expect(verbose.out).toMatch(/^ok {5,7}node: v\d+/m);
    expect(verbose.out).not.toContain('--verbose');
  });

  it('names what several sandboxes lack once', () => {
    const check = (tier: 'vm' | 'gvisor', name: string, found: string) => ({
      name: `${tier} sandbox: ${name}`,
      ok: false,
      found,
      tier,
    });
    const git = { name: 'git', ok: false, found: 'not found' };
    const all = [git, check('vm', 'kvm', 'no'), check('vm', 'pids', 'no'), check('gvisor', 'pids', 'no')];
    const name = 'vm, gvisor sandbox: pids';
    expect(acrossTiers([...all, git])).toEqual([git, { ...all[2], name }, all[1]]);
    expect(acrossTiers([check('vm', 'pids', 'no'), check('gvisor', 'pids', 'other')])).toHaveLength(2);
  });

  it('names each package once, and none that is there', () => {
    const check = (fix: string, ok = false) => ({ name: 'a', ok, found: '', fix });
    const checks = [
      check('apt-get install -y runsc'),
      check('apt-get install -y git runsc'),
      check('apt-get install -y bash', true),
      check('sysctl -w kernel.unprivileged_userns_clone=1'),
    ];
    expect(packagesOf(checks)).toEqual(['git', 'runsc']);
  });
});

describe('a reader that goes away', () => {
  it('ends the command quietly', async () => {
    const child = start(['--help']);
    child.stdout?.destroy();
    const { code, err } = await ending(child);
    expect({ code, err }).toEqual({ code: 0, err: '' });
  });
});
