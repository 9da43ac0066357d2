import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openLeafFile } from '../../../src/node/leaf-file.ts';
import { MerkleTree } from '../../../src/protocol/transparency/index.ts';
import { openWitnessFile } from '../../../src/worker/node/witness-file.ts';
import { codeOf, folder } from '../../support/code-and-folder.ts';
import { log, noteOf, project, testKey } from '../../support/documents.ts';

describe('leaves of a log in a file', () => {
  const load = (file: string) => openLeafFile(file).load();

  it('are read as they were added, by several lives, each of which may read them twice', async () => {
    const path = join(await folder(), 'log.txt');
    const first = openLeafFile(path);
    expect(await first.load()).toEqual([]);
    await first.append(['one', 'zwölf']);
    await first.append(['three']);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await load(path)).toEqual(['one', 'zwölf', 'three']);
    const second = openLeafFile(path);
    await second.load();
    await second.load();
    await second.append(['four']);
    await second.append(['five']);
    expect(await load(path)).toEqual(['one', 'zwölf', 'three', 'four', 'five']);
  });

  it('are cut where the last one was not written to its end, and go on there', async () => {
    const path = join(await folder(), 'log.txt');
    await openLeafFile(path).append(['zwölf']);
    const whole = await readFile(path, 'utf8');
    await writeFile(path, `${whole}zweiundzwanzi`);
    const life = openLeafFile(path);
    expect(await life.load()).toEqual(['zwölf']);
    expect(await readFile(path, 'utf8')).toBe(whole);
    await life.append(['two']);
    expect(await load(path)).toEqual(['zwölf', 'two']);
    await writeFile(path, 'half');
    expect([await load(path), await readFile(path, 'utf8')]).toEqual([[], '']);
  });

  it('that are not those that were written are damage, and a file of a later format is left alone', async () => {
    const path = join(await folder(), 'log.txt');
    await openLeafFile(path).append(['one', 'two']);
    const whole = await readFile(path, 'utf8');
    const read = async (text: string | Buffer) => {
      await writeFile(path, text);
      return codeOf(() => load(path));
    };
    expect(await read(whole)).toBeUndefined();
    // Of before there were sums.
    expect(await read(`one\n${'x'.repeat(400)}\n`)).toBeUndefined();
    const wrong = [
      whole.replace('two', 'too'),
      whole.replace('one\n', ''),
      whole.replace(/\t[0-9a-f]/, (text) => (text === '\t0' ? '\t1' : '\t0')),
      `${whole}\t${'0'.repeat(64)}\n`,
      'a\u0007b\n',
      `${'x'.repeat(401)}\n`,
      Buffer.from([0x61, 0xff, 0x0a]),
    ];
    for (const text of wrong) expect(await read(text)).toBe('HOME_DAMAGED');
    expect(await read('\tformat 3\none\n')).toBe('HOME_NEWER');
    expect(await readFile(path, 'utf8')).toBe('\tformat 3\none\n');
  });

  it('that cannot be written are an error', async () => {
    const dir = await folder();
    const life = openLeafFile(join(dir, 'gone', 'log.txt'));
    expect(await codeOf(() => life.append(['one']))).toBe('HOME_UNWRITABLE');
  });
});

describe('the checkpoints that a worker has seen', () => {
  it('are read as they were written, where each is the one that its log signed', async () => {
    const path = join(await folder(), 'witness.json');
    const book = openWitnessFile(path, project);
    expect(await book.load()).toBeUndefined();
    const tree = new MerkleTree();
    tree.append('a leaf');
    const [size, root, note] = [1, tree.root(1), await noteOf(tree)];
    const state = { v: 1, logs: [{ log: log.id, seen: [{ size, root, note }] }], promises: [] };
    await book.save(state as never);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await openWitnessFile(path, project).load()).toMatchObject(state);
    const others = [
      { ...state, logs: [{ log: log.id, seen: [{ size: 2, root, note }] }] },
      { ...state, logs: [{ log: log.id, seen: [{ size, root: 'ab'.repeat(32), note }] }] },
      { ...state, logs: [{ log: testKey('other').id, seen: [{ size, root, note }] }] },
    ];
    for (const other of others) {
      await book.save(other as never);
      expect(await codeOf(() => book.load())).toBe('HOME_DAMAGED');
    }
    await book.save(state as never);
    expect(await codeOf(() => openWitnessFile(path, testKey('another').id).load())).toBe('HOME_DAMAGED');
    await rm(path);
    expect(await book.load()).toBeUndefined();
  });
});
