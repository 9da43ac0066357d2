import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { digestsOf, digestsOfBytes } from '../../src/dependencies/fetch/digests.ts';
import { fetchLimits } from '../../src/dependencies/fetch/limits.ts';
import { filesOfZip, isRemadeZip, remakeZip } from '../../src/dependencies/fetch/module-zip.ts';
import { withLimits } from '../support/with-limits.ts';
import { zip } from './tools/zip.ts';

const files = { 'm@v1.0.0/go.mod': 'module m\n', 'm@v1.0.0/B.go': 'package m\n', 'm@v1.0.0/z.go': '' };
const turned = Object.fromEntries(Object.entries(files).reverse());

async function place(): Promise<(name: string) => string> {
  const dir = await mkdtemp(join(tmpdir(), 'quorate-module-zip-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return (name) => join(dir, name);
}

it('an archive is remade from its files alone, whoever packed them', async () => {
  const at = await place();
  for (const [name, packed] of Object.entries({ one: zip(files), other: zip(turned) })) {
    await writeFile(at(name), packed);
    await remakeZip(at(name), at(`${name}.zip`));
  }
  const one = await readFile(at('one.zip'));
  expect(one).toEqual(await readFile(at('other.zip')));
  // Part of what a job is known by: every version makes these bytes.
  expect(createHash('sha256').update(one).digest('hex')).toBe(
    '8f5e363acdc863b52bb9c81e01b1b62d92ded8ee466f8d810e99bddb760972a2',
  );
  expect(zip(files)).not.toEqual(zip(turned));
  const found = await filesOfZip(at('one.zip'));
  expect(found.map(({ name }) => name)).toEqual(['m@v1.0.0/B.go', 'm@v1.0.0/go.mod', 'm@v1.0.0/z.go']);
  expect(found.map(({ sha256 }) => sha256).sort()).toEqual(
    (await filesOfZip(at('other'))).map(({ sha256 }) => sha256).sort(),
  );
});

it('one that is not as it is remade is told apart', async () => {
  const at = await place();
  await writeFile(at('packed'), zip(files));
  await remakeZip(at('packed'), at('remade'));
  const remade = await readFile(at('remade'));
  await writeFile(at('longer'), Buffer.concat([Buffer.from('PK'), remade]));
  await writeFile(at('cut'), remade.subarray(0, -1));
  // The modification time of the first file.
  const later = Buffer.from(remade);
  later[10] = 1;
  await writeFile(at('later'), later);
  const say = (name: string) => isRemadeZip(at(name));
  expect([await say('remade'), await say('packed'), await say('longer')]).toEqual([true, false, false]);
  expect([await say('cut'), await say('later'), await say('missing')]).toEqual([false, false, false]);
});

it('one in no file of its own is spooled, hashed, and leaves nothing', async () => {
  const at = await place();
  await writeFile(at('packed'), zip(files));
  await remakeZip(at('packed'), at('remade'));
  const spool = at('spool');
  const digest = async (from: string, name = 'm.zip') => {
    const found = await digestsOfBytes(createReadStream(at(from)), 'dirhash', { name, spool });
    expect(existsSync(spool)).toBe(false);
    return found.digest;
  };
  const hash = (await digestsOf(at('packed'), 'dirhash', 'm.zip')).digest;
  expect(hash).toMatch(/^[0-9a-f]{64}$/);
  expect([await digest('remade'), await digest('packed')]).toEqual([hash, 'unreadable']);
  await writeFile(at('none'), 'no archive');
  expect([await digest('none'), await digest('none', 'go.mod')]).toEqual([
    'unreadable',
    (await digestsOf(at('none'), 'dirhash', 'go.mod')).digest,
  ]);
});

it('one whose names take too much memory is not read', async () => {
  const at = await place();
  const named = Object.fromEntries(Array.from({ length: 145 }, (_, n) => [`${n}${'n'.repeat(60_000)}`, '']));
  await writeFile(at('named'), zip(named));
  await expect(filesOfZip(at('named'))).rejects.toThrow('its names are longer than the limit');
});

it('one with as many files and bytes as the limits say is read, with more it is not', async () => {
  const at = await place();
  await writeFile(at('packed'), zip(files));
  const size = Object.values(files).join('').length;
  withLimits(fetchLimits, { archiveFilesMax: 3, archiveBytesMax: size });
  expect(await filesOfZip(at('packed'))).toHaveLength(3);
  withLimits(fetchLimits, { archiveBytesMax: size - 1 });
  await expect(filesOfZip(at('packed'))).rejects.toThrow('it unpacks to more than the limit');
  withLimits(fetchLimits, { archiveFilesMax: 2, archiveBytesMax: size });
  await expect(filesOfZip(at('packed'))).rejects.toThrow('it holds more files than the limit');
});
