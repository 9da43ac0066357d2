import { spawnSync } from 'node:child_process';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isAbandoned, isInUse, scratchName, UseMarker } from '../../../src/execution/images/cache-folder.ts';
import { checkImageRequirements } from '../../../src/execution/images/requirements.ts';
import type { Store, TreeEntry } from '../../../src/store/index.ts';
import { codeOf, folder } from '../../support/code-and-folder.ts';

type Fake = {
  kind: 'dir' | 'file' | 'link';
  target?: string;
  executable?: boolean;
  text?: string;
  size?: number;
};

const dir: Fake = { kind: 'dir' };
const file: Fake = { kind: 'file' };
const program = (text = '', more: Partial<Fake> = {}): Fake => ({
  kind: 'file',
  executable: true,
  text,
  ...more,
});
const link = (target: string): Fake => ({ kind: 'link', target });

/** A root with all that is needed, its programs by links as Debian has them. */
const whole: Record<string, Fake | undefined> = {
  '': dir,
  ...Object.fromEntries(
    ['build', 'dev', 'etc', 'proc', 'run', 'sys', 'usr', 'usr/bin'].map((path) => [path, dir]),
  ),
  ...Object.fromEntries(['group', 'hosts', 'nsswitch.conf', 'passwd'].map((name) => [`etc/${name}`, file])),
  tmp: link('build/tmp'),
  bin: link('usr/bin'),
  'usr/bin/sh': link('/bin/dash'),
  'usr/bin/dash': program(),
  ...Object.fromEntries(['cat', 'env', 'rm', 'sleep'].map((name) => [`usr/bin/${name}`, program()])),
  'usr/bin/tar': program('it is GNU tar'),
  'usr/bin/setpriv': program('a bounding-set'),
};

async function checked(changed: Record<string, Fake | undefined> = {}): Promise<string | undefined> {
  const tree = { ...whole, ...changed };
  const store = {
    resolve: async (_: string, path: string) => {
      const found = tree[path];
      return found && ({ cid: path, path, size: found.text?.length ?? 0, ...found } as unknown as TreeEntry);
    },
    readBytes: async (path: string) => Buffer.from(tree[path]?.text ?? ''),
  };
  return checkImageRequirements(store as unknown as Store, 'image').then(
    () => undefined,
    (error: Error) => error.message,
  );
}

describe('an image', () => {
  it('with all that is needed is taken', async () => {
    expect(await checked()).toBeUndefined();
    expect(await checked({ 'usr/bin/sh': link('../../usr/./bin//dash') })).toBeUndefined();
    expect(await checked({ 'usr/bin/cat': undefined, 'sbin/cat': program(), sbin: dir })).toBeUndefined();
  });

  it.each<[Record<string, Fake | undefined>, string]>([
    [{ '': file }, 'it is a file'],
    [{ proc: undefined }, 'it has no folder /proc'],
    [{ proc: link('dev') }, 'it has no folder /proc'],
    [{ 'etc/hosts': undefined }, 'it has no file /etc/hosts'],
    [{ 'etc/hosts': link('passwd') }, 'it has no file /etc/hosts'],
    [{ tmp: dir }, 'its /tmp is not a link to build/tmp'],
    [{ tmp: link('/etc') }, 'its /tmp is not a link to build/tmp'],
    [{ 'usr/bin/cat': undefined, 'usr/bin/rm': file }, 'lacks cat (coreutils), rm (coreutils)'],
    [{ 'usr/bin/tar': program('busybox') }, 'lacks GNU tar (busybox has another)'],
    [{ 'usr/bin/tar': program('GNU tar', { size: 64 * 2 ** 20 + 1 }) }, 'lacks GNU tar'],
    [{ 'usr/bin/dash': link('sh') }, 'lacks /bin/sh'],
    [{ bin: undefined }, 'lacks /bin/sh'],
  ])('that lacks something is refused: %j', async (changed, says) => {
    expect(await checked(changed)).toContain(says);
  });

  it('may have a program of 64 MiB, and forty links to it', async () => {
    expect(await checked({ 'usr/bin/tar': program('GNU tar', { size: 64 * 2 ** 20 }) })).toBeUndefined();
    const chain = (count: number) =>
      Object.fromEntries([
        ...Array.from(
          { length: count },
          (_, n) => [`usr/bin/${n === 0 ? 'sh' : n}`, link(`${n + 1}`)] as const,
        ),
        [`usr/bin/${count}`, program()] as const,
      ]);
    // One more leads from /bin to /usr/bin.
    expect(await checked(chain(39))).toBeUndefined();
    expect(await checked(chain(40))).toContain('lacks /bin/sh');
  });
});

describe('a folder of the cache', () => {
  it('is in use while a living process says so, whose marks of others go', async () => {
    const at = await folder();
    const marker = new UseMarker(at);
    expect(await isInUse(at)).toBe(false);
    expect(await marker.hold()).toBe(true);
    const { pid } = spawnSync('true');
    await writeFile(join(at, `using-${pid}-x`), '');
    await writeFile(join(at, 'files'), '');
    expect(await isInUse(at)).toBe(true);
    expect(await readdir(at)).toHaveLength(2);
    await marker.release();
    expect([await isInUse(at), await readdir(at)]).toEqual([false, ['files']]);
    const gone = join(at, 'gone');
    expect([await isInUse(gone), await new UseMarker(gone).hold()]).toEqual([false, false]);
    expect(await codeOf(() => isInUse(join(at, 'files')))).toBe('ENOTDIR');
    expect(await codeOf(() => new UseMarker(join(at, 'files')).hold())).toBe('ENOTDIR');
  });

  it('that is unfinished is abandoned once its process has ended', () => {
    const { pid } = spawnSync('true');
    const names = [`${scratchName('.new-')}x`, `.new-${pid}-x`, '.new-x', `.gone-${pid}-x`];
    expect(names.map((name) => isAbandoned(name, '.new-'))).toEqual([false, true, true, false]);
  });
});
