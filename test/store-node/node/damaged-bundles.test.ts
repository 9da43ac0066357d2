import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { keyRevoked, workerKey } from '../../support/project.ts';
import { folder, keepAll, keeping, peer, verdictOn } from './support.ts';

/** A bundle with one character of a receipt changed. */
function damagedIn(text: string): string {
  const at = text.indexOf('"receipts"') + 200;
  return `${text.slice(0, at)}${text[at] === 'A' ? 'B' : 'A'}${text.slice(at + 1)}`;
}

it('a bundle that the disk changed or lost is fetched again, and its verdict has not fallen', async () => {
  const honest = await peer();
  const tree = await honest.add('good');
  const { run, text } = await verdictOn(tree);
  honest.bundles.set(run, text);
  const home = await folder();
  const store = await keeping([honest], keepAll, home);
  store.keeper.hint({ run, tree, level: 'trusted' });
  await store.told('kept');
  const file = (which: string) => join(home, 'bundles', `${which}.json`);
  const kinds = () => store.events.map(({ kind }) => kind);
  const isWhole = async () => {
    expect([await readFile(file(run), 'utf8'), await readFile(file(tree), 'utf8')]).toEqual([text, text]);
    expect(await store.roots()).toEqual([tree]);
  };

  await store.keeper.recheck();
  expect(kinds()).not.toContain('damaged');

  await writeFile(file(run), damagedIn(text));
  await store.keeper.recheck();
  expect(await store.told('damaged')).toMatchObject({ data: { run, tree } });
  await store.told('kept', 2);
  await isWhole();

  await rm(file(run));
  await store.keeper.recheck();
  await store.told('kept', 3);
  await isWhole();

  // A review of revocations finds it before a check does.
  await writeFile(file(run), damagedIn(text));
  store.revoked.push(keyRevoked(workerKey('another').id, 0));
  await store.keeper.review();
  await store.told('kept', 4);
  await isWhole();
  expect(kinds()).not.toContain('fallen');
});
