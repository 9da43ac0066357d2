import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, cp, mkdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { limits } from '../../src/protocol/base/limits.ts';
import { isoTime } from '../../src/protocol/base/time.ts';
import { encodeBundle } from '../../src/protocol/documents/index.ts';
import { quorate, quorateProcess } from '../cli/support.ts';
import { programFolder } from '../support/program.ts';
import { cosign, project, testKey, trusted } from '../support/project.ts';
import { type Real, realProject, scratch, tamper } from './support.ts';

let real: Real;
beforeAll(async () => {
  real = await realProject();
});

interface Answer {
  ok?: boolean;
  level?: string;
  code?: string | null;
  steps?: { step: string; ok: boolean; code: string | null; says: string }[];
  error?: { code: string };
}

async function verify(path: string, bundle = real.bundleFile, ...more: string[]) {
  const args = ['verify', path, '--bundle', bundle, '--project', project, ...more, '--json'];
  const { code, out, err } = await quorate(args, { cwd: real.dir });
  return { exit: code, ...(JSON.parse(out || err) as Answer) };
}

/** A copy to be spoiled. */
async function copy(): Promise<string> {
  const dir = join(await scratch(), 'tool');
  await cp(real.tool, dir, { recursive: true });
  return dir;
}

describe('verify', () => {
  it('says step by step, to a person, why a fetched folder can be trusted', async () => {
    const args = ['verify', 'tool', '--bundle', 'tool.bundle', '--project', project];
    const { code, out, err } = await quorateProcess(args, { cwd: real.dir });
    expect({ code, err }).toEqual({ code: 0, err: '' });
    const steps = out.split('\n').flatMap((line) => /^ {2}ok ([a-z-]+): [A-Z].*\.$/.exec(line)?.[1] ?? []);
    expect(steps).toEqual([
      ...['charter', 'request', 'job', 'offers', 'receipts', 'verdict', 'log', 'revocations', 'decision'],
      ...['co-signature', 'expected', 'files'],
    ]);
    expect(out).toContain('source    https://git.example/app.git');
    expect(out).toContain('ref       refs/heads/main');
    expect(out).toMatch(/commit {4}c0ffee0+\n/);
    expect(out).toContain('built by  ada, bob, cyd');
    expect(out).toContain('tool can be trusted.');
  });

  it('writes the page that does the same in a browser, and prints its sha256', async () => {
    const { code, out } = await quorate(['verify', '--page', 'verify.html', '--json'], { cwd: real.dir });
    const page = await readFile(join(real.dir, 'verify.html'));
    const sha256 = createHash('sha256').update(page).digest('hex');
    expect({ code, answer: JSON.parse(out) }).toEqual({
      code: 0,
      answer: { page: 'verify.html', bytes: page.length, sha256 },
    });
    expect(page.equals(await readFile(join(programFolder, 'verify.html')))).toBe(true);
  });

  it('says the same to a program, with a code for each step', async () => {
    const answer = await verify('tool');
    expect(answer).toMatchObject({ exit: 0, ok: true, level: 'trusted', code: null, artifact: real.cid });
    expect(answer.steps?.every(({ ok, code }) => ok && code === null)).toBe(true);
  });

  it.each(['bin/app', 'version'])('knows one file of the artifact: %s', async (path) => {
    const answer = await verify(join('tool', path));
    expect(answer).toMatchObject({ exit: 0, ok: true, level: 'trusted' });
    expect(answer.steps?.at(-1)?.says).toContain(path);
    expect(answer).toMatchObject({ paths: [path] });
  });

  it('says under which path of the artifact a file stands, whatever its name is here', async () => {
    const renamed = join(await scratch(), 'app');
    await cp(join(real.tool, 'version'), renamed);
    const args = ['verify', renamed, '--bundle', real.bundleFile, '--project', project];
    expect((await quorate(args, { cwd: real.dir })).out).toContain(
      'can be trusted, as version of the artifact.',
    );
    expect(await verify(renamed, undefined, '--path', 'version')).toMatchObject({ exit: 0 });
    const held = await verify(renamed, undefined, '--path', 'bin/app');
    expect(held).toMatchObject({ exit: 1, ok: false, code: 'FILES_PATH_MISMATCH' });
    expect(await verify('tool', undefined, '--path', 'version')).toMatchObject({
      exit: 2,
      error: { code: 'CLI_USAGE' },
    });
  });

  it('follows a link named on the command line', async () => {
    const link = join(await scratch(), 'link');
    await symlink(real.tool, link);
    expect(await verify(link)).toMatchObject({ exit: 0 });
  });
});

describe('verify says no', () => {
  it.concurrent.each<[string, (tool: string) => Promise<unknown>, string]>([
    ['a byte more', (tool) => tamper(join(tool, 'version')), 'FILES_TREE_MISMATCH'],
    ['a file more', (tool) => writeFile(join(tool, 'extra'), ''), 'FILES_TREE_MISMATCH'],
    ['a file less', (tool) => rm(join(tool, 'version')), 'FILES_TREE_MISMATCH'],
    ['an empty folder more', (tool) => mkdir(join(tool, 'empty')), 'FILES_TREE_MISMATCH'],
    ['a program that is none any more', (tool) => chmod(join(tool, 'bin/app'), 0o644), 'FILES_TREE_MISMATCH'],
    ['a file that became a program', (tool) => chmod(join(tool, 'version'), 0o755), 'FILES_TREE_MISMATCH'],
    ['a hidden repository', (tool) => mkdir(join(tool, '.git')), 'FILES_TREE_MISMATCH'],
    ['a setuid program', (tool) => chmod(join(tool, 'bin/app'), 0o4755), 'STORE_ENTRY_REFUSED'],
    ['a link out of it', (tool) => symlink('/etc/passwd', join(tool, 'link')), 'STORE_LINK_ESCAPES'],
    [
      'a pipe',
      async (tool) => execFileSync('mkfifo', [join(tool, 'pipe')], { timeout: 120_000 }),
      'STORE_ENTRY_REFUSED',
    ],
  ])('to a folder with %s', async (_what, spoil, code) => {
    const tool = await copy();
    await spoil(tool);
    const answer = await verify(tool);
    expect(answer).toMatchObject({ exit: 1, ok: false, level: 'none', code });
    expect(answer.steps?.at(-1)).toMatchObject({ step: 'files', ok: false, code });
  });

  it('to a file that is not in the artifact, and to a device', async () => {
    const file = join(await copy(), 'version');
    await tamper(file);
    expect(await verify(file)).toMatchObject({ exit: 1, code: 'FILES_HASH_MISMATCH' });
    expect(await verify('/dev/zero')).toMatchObject({ exit: 1, code: 'STORE_ENTRY_REFUSED' });
  });

  it('alike where the artifact or the evidence is not there: what was named is wrong', async () => {
    for (const [path, bundle] of [
      ['none', 'tool.bundle'],
      ['tool', 'none.bundle'],
    ] as const) {
      expect(await verify(path, bundle)).toMatchObject({
        exit: 2,
        error: { code: 'CLI_FILE_UNREADABLE', message: expect.stringMatching(/none.*ENOENT/) },
      });
    }
  });

  it('to another repository, ref or project than was asked for', async () => {
    expect(await verify('tool', undefined, '--source', 'https://git.example/app.git')).toMatchObject({
      exit: 0,
    });
    expect(await verify('tool', undefined, '--source', 'https://git.example/b.git')).toMatchObject({
      exit: 1,
      code: 'SOURCE_MISMATCH',
    });
    expect(await verify('tool', undefined, '--ref', 'v2')).toMatchObject({ exit: 1, code: 'REF_MISMATCH' });
    const other = ['verify', 'tool', '--bundle', 'tool.bundle', '--project', testKey('mallory').id, '--json'];
    const { code, out } = await quorate(other, { cwd: real.dir });
    expect({ code, ...JSON.parse(out) }).toMatchObject({ code: 'CHARTER_PROJECT_MISMATCH', level: 'none' });
    expect(code).toBe(1);
  });

  it('to what is agreed and not trusted, though every step holds', async () => {
    const outcome = { kind: 'exit', code: 0, artifact: real.cid } as const;
    const runs = ['ada', 'bob'].map((operator) => ({ operator, outcome }));
    const agreed = await realProject({ runs, own: null, level: 'agreed' });
    expect(await verify(agreed.tool, agreed.bundleFile)).toMatchObject({
      exit: 1,
      ok: true,
      level: 'agreed',
    });
  });
});

describe('--max-age', () => {
  const dated = (seconds: number, witnessed = seconds) => {
    const now = Math.floor(Date.now() / 1000);
    const timeVerified = isoTime((now + seconds) * 1000);
    return realProject({
      verdict: (v) => ({ ...v, predicate: { ...v.predicate, timeVerified } }),
      witnessedAt: now + witnessed,
    });
  };

  it('refuses a verdict that is older, and none that is not', async () => {
    expect(await verify('tool', undefined, '--max-age', '365d')).toMatchObject({
      exit: 1,
      code: 'VERDICT_TOO_OLD',
    });
    const fresh = await dated(-3600);
    expect(await verify(fresh.tool, fresh.bundleFile, '--max-age', '2h')).toMatchObject({ exit: 0 });
    expect(await verify(fresh.tool, fresh.bundleFile, '--max-age', '59m')).toMatchObject({
      exit: 1,
      code: 'VERDICT_TOO_OLD',
    });
  });

  it('counts from the co-signature where that is older', async () => {
    const moved = await dated(-3600, -3650);
    expect(await verify(moved.tool, moved.bundleFile, '--max-age', '2h')).toMatchObject({ exit: 0 });
    expect(await verify(moved.tool, moved.bundleFile, '--max-age', '3640s')).toMatchObject({
      exit: 1,
      code: 'VERDICT_TOO_OLD',
    });
    const dreamt = await dated(-60, -3600);
    expect(await verify(dreamt.tool, dreamt.bundleFile, '--max-age', '2h')).toMatchObject({
      exit: 1,
      code: 'VERDICT_NOT_IN_TIME',
    });
  });

  it('refuses a verdict from the future, which would never grow old', async () => {
    const future = await dated(86_400);
    expect(await verify(future.tool, future.bundleFile, '--max-age', '30d')).toMatchObject({
      exit: 1,
      code: 'VERDICT_FROM_FUTURE',
    });
  });
});

describe('evidence that is none', () => {
  const bad = async (text: string | Uint8Array): Promise<string> => {
    const file = join(await scratch(), 'bad.bundle');
    await writeFile(file, text);
    return file;
  };

  it('is refused with a code: not JSON, cut off, not canonical, of another shape, nested, empty', async () => {
    const whole = await readFile(real.bundleFile, 'utf8');
    const texts = ['hello', '', whole.slice(0, -100), ` ${whole}`, '{"v":1}', '['.repeat(100_000), '\u0000'];
    for (const text of texts) {
      expect(await verify('tool', await bad(text))).toMatchObject({
        exit: 2,
        error: { code: 'BUNDLE_UNREADABLE' },
      });
    }
    expect(await verify('tool', await bad(Uint8Array.of(0xff, 0xfe)))).toMatchObject({ exit: 2 });
    for (const [text, says] of [
      ['', / is empty$/],
      [whole.slice(0, -100), / is not JSON, or was cut off$/],
      [`{"v":1,${whole.slice(1)}`, / is JSON with a key that is there twice$/],
    ] as const)
      expect(await verify('tool', await bad(text))).toMatchObject({
        error: { message: expect.stringMatching(says) },
      });
    const newer = await verify('tool', await bad('{"v":2}'));
    expect(newer).toMatchObject({ exit: 2, error: { hint: expect.stringMatching(/^Update Quorate/) } });
  });

  it('is refused when huge, a folder or a pipe, without reading it', async () => {
    const huge = await bad('');
    await truncate(huge, limits.bundleBytesMax + 1);
    expect(await verify('tool', huge)).toMatchObject({ exit: 2, error: { code: 'CLI_FILE_UNREADABLE' } });
    expect(await verify('tool', real.tool)).toMatchObject({
      exit: 2,
      error: { code: 'CLI_FILE_UNREADABLE' },
    });
    const pipe = join(await scratch(), 'pipe');
    execFileSync('mkfifo', [pipe], { timeout: 120_000 });
    expect(await verify('tool', pipe)).toMatchObject({ exit: 2, error: { code: 'CLI_FILE_UNREADABLE' } });
  });

  it('of a witness alone, or of another build, does not help', async () => {
    const { draft } = real;
    const swapped = await cosign(draft, testKey('mallory'), trusted);
    expect(await verify('tool', await bad(encodeBundle(swapped)))).toMatchObject({
      exit: 1,
      code: 'COSIGN_NOT_TRUSTED_KEY',
    });
  });
});
