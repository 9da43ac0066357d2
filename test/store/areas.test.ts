import { cp, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openStore } from '../../src/store/index.ts';
import { codeOf, store, tar } from './support.ts';

const some = () =>
  tar([
    { name: 'a', body: '1' },
    { name: 'b/c', body: '2' },
  ]);

describe('sealed areas', () => {
  it('are kept over a restart, listed, published and discarded', async () => {
    const s = await store();
    const { root } = await s.importTar(await some(), { into: s.sealed('one') });
    await s.importTar(await some(), { into: s.sealed('two') });
    await s.close();
    const again = await openStore({ dir: s.dir });
    expect(await again.sealedNames()).toEqual(['one', 'two']);
    expect(await again.has(root)).toBe(false);
    await again.publish(again.sealed('one'));
    await again.discard(again.sealed('two'));
    expect(await again.has(root)).toBe(true);
    expect(await again.sealedNames()).toEqual([]);
    await again.publish(again.sealed('one'));
    await again.discard(again.sealed('never'));
  });

  it('are published whole when the first try was cut off half way', async () => {
    const s = await store();
    const area = s.sealed('lease');
    const { root } = await s.importTar(await some(), { into: area });
    // What a crash between two renames leaves: some blocks here, some there, some in both.
    const sealed = join(s.dir, 'sealed/lease');
    const folders = (await readdir(sealed)).filter((name) => name !== 'tmp');
    expect(folders.length).toBeGreaterThan(2);
    for (const name of folders.slice(0, 2))
      await cp(join(sealed, name), join(s.dir, 'public', name), { recursive: true });
    await s.publish(area);
    expect(await s.has(root)).toBe(true);
    await s.publish(area);
    expect(await s.has(root)).toBe(true);
  });

  it('cannot be named like a path', async () => {
    const s = await store();
    for (const name of ['', '.', '..', '../public', 'a/b', '.hidden', 'x'.repeat(101), 'a\0']) {
      expect(await codeOf((async () => s.sealed(name))())).toBe('STORE_AREA_NAME');
    }
  });
});
