import { chmod, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { oidcLimits } from '../../src/identity/oidc/limits.ts';
import {
  type CheckOwn,
  endedPathOf,
  endSessionsOf,
  readClientSecret,
  SignInFile,
} from '../../src/identity/oidc/settings-file.ts';
import { until } from '../e2e/support/wait.ts';
import { codeOf, folder } from '../support/code-and-folder.ts';
import { withLimits } from '../support/with-limits.ts';

const text = 'origin = "https://ci.example.org"\n';

async function opened(checkOwn: CheckOwn = async () => {}) {
  const path = join(await folder(), 'sign-in.toml');
  await writeFile(path, text);
  const errors: string[] = [];
  const file = await SignInFile.open(path, ({ message }) => errors.push(message), checkOwn);
  onTestFinished(() => file.close());
  return { path, file, errors };
}

describe('sign-in.toml while a service runs', () => {
  it('counts as it is now', async () => {
    const { path, file, errors } = await opened();
    await writeFile(path, `${text}revoked = ["ada"]\n`);
    await until('the change', () => file.settings.revoked.includes('ada'));
    expect(errors).toEqual([]);
  });

  it('with a mistake leaves what it said before, and tells it once', async () => {
    const { path, file, errors } = await opened();
    await writeFile(path, `${text}revoked = ["ada"]\n`);
    await until('the change', () => file.settings.revoked.length === 1);
    await writeFile(path, `${text}revoked = [\n`);
    await until('the error', () => errors.length > 0);
    await rm(path);
    await until('the error', () => errors.length > 1);
    await writeFile(path, text);
    await until('the change', () => file.settings.revoked.length === 0);
    expect(errors).toEqual([
      expect.stringMatching(/sign-in\.toml:3:/),
      expect.stringContaining('there is no such file any more'),
    ]);
  });

  it('has a list of ended sessions beside it, which ends those that there were', async () => {
    const { path, file } = await opened();
    await endSessionsOf('ada', path, 1_000);
    await endSessionsOf('bob', path, 2_000);
    await until('the list', () => file.hasEnded('bob', 2_000));
    expect([file.hasEnded('ada', 999), file.hasEnded('ada', 1_001), file.hasEnded('cyd', 1)]).toEqual([
      ...[true, false, false],
    ]);
    const list = await readFile(endedPathOf(path), 'utf8');
    // A list of before has no checksum.
    await writeFile(endedPathOf(path), JSON.stringify(JSON.parse(list).ended));
    await endSessionsOf('cyd', path, 2_500);
    await until('the list', () => file.hasEnded('cyd', 2_500) && file.hasEnded('ada', 1_000));
    await writeFile(endedPathOf(path), list.replace('ada', 'adb'));
    expect(await codeOf(() => endSessionsOf('ada', path, 3_000))).toBe('SIGN_IN_FILE_INVALID');
    await writeFile(endedPathOf(path), JSON.stringify({ v: 2, ended: {} }));
    expect(await codeOf(() => endSessionsOf('ada', path, 3_000))).toBe('HOME_NEWER');
    await writeFile(endedPathOf(path), '{}');
    expect(await codeOf(() => endSessionsOf('ada', path, 3_000))).toBe('SIGN_IN_FILE_INVALID');
  });

  it('loses none that commands end at once, and is read however long those are that it names', async () => {
    const { path, file } = await opened();
    const people = Array.from({ length: 8 }, (_, n) => `person ${n}`);
    await Promise.all(people.map((person) => endSessionsOf(person, path, 1_000)));
    await until('the list', () => people.every((person) => file.hasEnded(person, 1_000)));
    const long = Array.from({ length: 120 }, (_, n) => `${n}`.padStart(oidcLimits.personCharsMax, 'x'));
    for (const person of long) await endSessionsOf(person, path, 1_000);
    await until('the list', () => [...people, ...long].every((person) => file.hasEnded(person, 1_000)));
  });

  it('has a list that no other command is waited for without end to write', async () => {
    withLimits(oidcLimits, { endedLookMs: 1, endedLooksMax: 3 });
    const { path } = await opened();
    const draft = `${endedPathOf(path)}.00000000-0000-0000-0000-000000000000.new`;
    await writeFile(draft, '');
    expect(await codeOf(() => endSessionsOf('ada', path, 1_000))).toBe('SIGN_IN_FILE_UNREADABLE');
    await rm(draft);
    await endSessionsOf('ada', path, 1_000);
  });

  it('that is no file is not read: it may have no end', async () => {
    const { path, file, errors } = await opened();
    await rm(path);
    await symlink('/dev/null', path);
    await until('the error', () => errors.some((error) => error.includes('is not a file')));
    // Its size is said to be none.
    withLimits(oidcLimits, { fileBytesMax: 4096 });
    await rm(path);
    await symlink('/proc/self/smaps', path);
    await until('the error', () => errors.some((error) => error.includes('it has over 4096 bytes')));
    expect(file.settings.origin).toBe('https://ci.example.org');
  });

  it('counts only as it was checked, also where it changes during the first check', async () => {
    const path = join(await folder(), 'sign-in.toml');
    await writeFile(path, text);
    let checks = 0;
    const checkOwn = async () => {
      if (checks++ > 0) throw new Error('foreign');
      await writeFile(path, `${text}revoked = ["ada"]\n`);
    };
    await expect(SignInFile.open(path, () => {}, checkOwn)).rejects.toThrow('foreign');
    const changed = () => rm(path).then(() => writeFile(path, `${text}# ${checks++}\n`));
    expect(await codeOf(() => SignInFile.open(path, () => {}, changed))).toBe('SIGN_IN_FILE_UNREADABLE');
    expect(checks).toBeLessThan(20);
  });

  it('that is refused is checked again only after a while, or when it has changed', async () => {
    withLimits(oidcLimits, { refusedCheckMs: 1e9 });
    const checked: string[] = [];
    let isOwn = true;
    const { path, file } = await opened(async (which) => {
      checked.push(which);
      if (!isOwn && which === path) throw new Error('foreign');
    });
    const ofSettings = () => checked.filter((which) => which === path).length;
    isOwn = false;
    const before = ofSettings();
    await writeFile(path, `${text}revoked = ["ada"]\n`);
    await until('the check', () => ofSettings() > before);
    // Each is taken in another look at both files.
    for (const at of [1_000, 2_000, 3_000]) {
      await endSessionsOf('bob', path, at);
      await until('the list', () => file.hasEnded('bob', at));
    }
    expect([ofSettings(), file.settings.revoked]).toEqual([before + 1, []]);
    isOwn = true;
    await writeFile(path, `${text}revoked = ["ada", "cyd"]\n`);
    await until('the change', () => file.settings.revoked.length === 2);
  });

  it('names a client secret that nobody else can read', async () => {
    const { path } = await opened();
    const secret = join(path, '..', 'secret');
    const read = () => readClientSecret({ clientSecretFile: 'secret' }, path, async () => {});
    expect(await codeOf(read)).toBe('SIGN_IN_FILE_UNREADABLE');
    await writeFile(secret, 'hidden\n', { mode: 0o600 });
    expect(await read()).toBe('hidden');
    await chmod(secret, 0o640);
    expect(await codeOf(read)).toBe('SIGN_IN_FILE_UNREADABLE');
    await chmod(secret, 0o600);
    await writeFile(secret, '\n');
    expect(await codeOf(read)).toBe('SIGN_IN_FILE_UNREADABLE');
  });
});
