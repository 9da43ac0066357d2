import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { checkImageRequirements } from '../../src/execution/images/requirements.ts';
import { makeDebianRoot, makeErofs } from '../../src/image/index.ts';
import { isRoot } from '../support/needs.ts';
import { newStore, scratch } from './support.ts';

const signal = AbortSignal.timeout(600_000);

it.skipIf(!isRoot)(
  'as root: an image of Debian packages is one that builds fit in and the same tree when somebody else makes it again, and the same file system for a virtual machine',
  async () => {
    const store = await newStore();
    const made = async () => {
      // Python, since what it compiles depends on its environment.
      const include = ['make', 'python3-minimal'];
      const options = { suite: 'trixie', include, mirrors: [], onLine: () => {}, signal };
      const tar = await makeDebianRoot({ ...options, scratch: await scratch() });
      return (await store.importTar(tar, { into: store.public, rules: 'image' })).root;
    };
    const somebody = async (env: Record<string, string>) => {
      for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
      try {
        return await made();
      } finally {
        vi.unstubAllEnvs();
      }
    };
    const root = await somebody({ PYTHONDONTWRITEBYTECODE: '', LANG: 'C.UTF-8' });
    expect(await somebody({ PYTHONDONTWRITEBYTECODE: '1', LANG: 'de_DE.UTF-8', HOME: '/nowhere' })).toBe(
      root,
    );
    await checkImageRequirements(store, root);
    for (const path of ['var/cache', 'var/log', 'etc/machine-id', 'etc/resolv.conf']) {
      const below: string[] = [];
      const found = await store.resolve(root, path);
      if (found?.kind === 'dir') for await (const { path: name } of store.list(found.cid)) below.push(name);
      else expect(found, path).toBeUndefined();
      expect(below, path).toEqual([]);
    }
    const files = [join(await scratch(), 'a'), join(await scratch(), 'b')];
    for (const file of files) await makeErofs(store.exportTar(root, { rules: 'image' }), file, signal);
    const [a, b] = await Promise.all(files.map((file) => readFile(file)));
    expect(a?.equals(b ?? Buffer.alloc(0))).toBe(true);
    expect((await stat(files[0] ?? '')).size).toBeGreaterThan(10_000_000);
  },
);
