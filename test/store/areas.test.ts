import { describe, expect, it } from 'vitest';
import { codeOf, reopened, store, tar } from './support.ts';

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
    const again = await reopened(s.dir);
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
    // As a crash after the first blocks leaves it: some here already, all still there.
    await s.importTar(await tar([{ name: 'a', body: '1' }]), { into: s.public });
    await s.close();
    const again = await reopened(s.dir);
    await again.publish(area);
    expect(await again.has(root)).toBe(true);
    await again.publish(area);
    expect(await again.has(root)).toBe(true);
  });

  it('cannot be named like a path', async () => {
    const s = await store();
    for (const name of ['', '.', '..', '../public', 'a/b', '.hidden', 'x'.repeat(101), 'a\0']) {
      expect(await codeOf((async () => s.sealed(name))())).toBe('STORE_AREA_NAME_INVALID');
    }
  });
});
