import { chmod, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  endedPathOf,
  endSessionsOf,
  readClientSecret,
  SignInFile,
} from '../../src/identity/oidc/settings-file.ts';
import { until } from '../e2e/support/wait.ts';
import { codeOf, folder } from '../support/code-and-folder.ts';

const text = 'origin = "https://ci.example.org"\n';

async function opened() {
  const path = join(await folder(), 'sign-in.toml');
  await writeFile(path, text);
  const errors: string[] = [];
  const file = await SignInFile.open(path, ({ message }) => errors.push(message));
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

  it('names a client secret that nobody else can read', async () => {
    const { path } = await opened();
    const secret = join(path, '..', 'secret');
    const read = () => readClientSecret({ clientSecretFile: 'secret' }, path);
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
