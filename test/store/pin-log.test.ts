import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openStore } from '../../src/store/index.ts';
import { PinLog } from '../../src/store/pin-log.ts';
import { folder, noiseBytes, reopened, tar } from './support.ts';

const opened = (file: string): PinLog => {
  const log = new PinLog(file);
  log.open();
  return log;
};
const namesOf = (log: PinLog): Record<string, string[]> =>
  Object.fromEntries([...log.pins].map(([root, { names }]) => [root, [...names]]));

it('a log of pins gives what was appended, without a line that a crash left incomplete', async () => {
  const file = join(await folder(), 'pins.log');
  const log = opened(file);
  log.append([
    { kind: 'pin', root: 'a', used: 1, name: 'run 1' },
    { kind: 'pin', root: 'a', used: 2, name: 'run 2' },
    { kind: 'pin', root: 'b', used: 3, name: 'x' },
    { kind: 'pin', root: 'c', used: 3, name: 'x' },
    { kind: 'unpin', root: 'a', name: 'run 1' },
    { kind: 'unpin', root: 'b' },
    { kind: 'unpin', root: 'c', name: 'x' },
    { kind: 'used', root: 'a', used: 9 },
  ]);
  await log.sync();
  log.close();
  appendFileSync(file, 'unpin a ru');
  const again = opened(file);
  expect(namesOf(again)).toEqual({ a: ['run 2'] });
  expect(again.pins.get('a')?.used).toBe(9);
  again.append([{ kind: 'pin', root: 'd', used: 4, name: 'y' }]);
  again.close();
  expect(namesOf(opened(file))).toEqual({ a: ['run 2'], d: ['y'] });
});

const three = ['a', 'b', 'c'].map((root) => ({ kind: 'pin', root, used: 1, name: 'run' }) as const);

it('a log of pins in which one bit was flipped says what it said before, whichever it is', async () => {
  const file = join(await folder(), 'pins.log');
  const log = opened(file);
  log.append(three);
  await log.sync();
  log.close();
  const bytes = readFileSync(file);
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    writeFileSync(file, bytes.with(bit >> 3, (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7))));
    const again = opened(file);
    expect(namesOf(again), `bit ${bit}`).toEqual({ a: ['run'], b: ['run'], c: ['run'] });
    // Each sync writes the file anew, and costs a few of the disk's milliseconds.
    if (bit % 97 === 0) {
      await again.sync();
      expect(readFileSync(file), `bit ${bit}`).toEqual(bytes);
    }
    again.close();
  }
});

it('a log of pins with a line that the disk damaged is refused and left as it is: a sweep would remove what that line names', async () => {
  const file = join(await folder(), 'pins.log');
  const log = opened(file);
  log.append(three);
  log.close();
  const bytes = readFileSync(file);
  // One of them is no byte of UTF-8: as text it is three.
  const second = bytes.indexOf('\n') + 1;
  for (const byte of [0x75, 0xff]) {
    const damaged = Buffer.from(bytes.with(second + 9, byte).with(second + 10, byte));
    writeFileSync(file, damaged);
    expect(() => opened(file)).toThrow(
      expect.objectContaining({
        code: 'STORE_PINS_DAMAGED',
        message: expect.stringMatching(`${file}, line 2 .*n a 1 run`),
      }),
    );
    expect(readFileSync(file)).toEqual(damaged);
  }
  writeFileSync(file, bytes);
  expect(Object.keys(namesOf(opened(file)))).toEqual(['a', 'b', 'c']);
});

it('a log of pins that was cut, wherever, is refused, and nothing of the store is swept', async () => {
  const dir = await folder();
  const file = join(dir, 'pins.log');
  const first = await reopened(dir);
  const { root } = await first.importTar(await tar([{ name: 'file', body: noiseBytes(500, 1) }]), {
    into: first.public,
  });
  for (const name of ['run 1', 'run 2']) await first.pin([root], name);
  await first.close();
  const bytes = readFileSync(file);
  for (let end = 0; end < bytes.length; end++) {
    writeFileSync(file, bytes.subarray(0, end));
    // Only the last line feed may be missing: without it the line says what it did.
    if (end === bytes.length - 1) continue;
    const refused = expect.objectContaining({ code: 'STORE_PINS_DAMAGED' });
    // A store takes ten times as long as its log.
    if (end % 50 === 0) await expect(openStore({ dir }), `${end} bytes`).rejects.toEqual(refused);
    else expect(() => opened(file), `${end} bytes`).toThrow(refused);
    expect(readFileSync(file)).toEqual(bytes.subarray(0, end));
  }
  writeFileSync(file, bytes);
  const store = await reopened(dir);
  expect(await store.collect({ graceSeconds: -10 })).toMatchObject({ blocks: 0 });
  expect(await store.pins()).toEqual([{ root, names: ['run 1', 'run 2'] }]);
});

it('a log of pins may lose what was not synced, and a store in which nothing is may have an empty one', async () => {
  const dir = await folder();
  const file = join(dir, 'pins.log');
  const log = opened(file);
  log.append(three.slice(0, 2));
  await log.sync();
  const synced = readFileSync(file).length;
  log.append(three.slice(2));
  log.close();
  writeFileSync(file, readFileSync(file).subarray(0, synced));
  expect(Object.keys(namesOf(opened(file)))).toEqual(['a', 'b']);
  writeFileSync(file, '');
  const store = await openStore({ dir });
  expect(await store.pins()).toEqual([]);
  await store.close();
});

it('a log of pins without checksums gets them', async () => {
  const file = join(await folder(), 'pins.log');
  writeFileSync(file, 'pin a 1 run\npin b 1 run\nunpin b\npin c 1 ru');
  const log = opened(file);
  expect(namesOf(log)).toEqual({ a: ['run'] });
  await log.sync();
  log.close();
  expect(readFileSync(file, 'utf8')).toMatch(/^[0-9a-f]{8} format 3 0{14}56\n[0-9a-f]{8} pin a 1 run\n$/);
});

it('a name of a pin may hold any character', async () => {
  const file = join(await folder(), 'pins.log');
  const names = ['with\rreturn', 'with\u2028line', ' ', '\u{1f600}'];
  const log = opened(file);
  log.append(names.map((name) => ({ kind: 'pin', root: 'a', used: 1, name })));
  log.append([{ kind: 'unpin', root: 'a', name: 'with\rreturn' }]);
  log.close();
  expect(namesOf(opened(file))).toEqual({ a: names.slice(1) });
});

it('a log of pins takes what is said of a tree that has none', async () => {
  const dir = await folder();
  const file = join(dir, 'pins.log');
  const log = opened(file);
  log.append([
    { kind: 'used', root: 'none', used: 1 },
    { kind: 'unpin', root: 'none' },
    { kind: 'unpin', root: 'none', name: 'run' },
    { kind: 'pin', root: 'a', used: 1, name: 'run' },
    { kind: 'unpin', root: 'a', name: 'other' },
  ]);
  expect(namesOf(log)).toEqual({ a: ['run'] });
  log.close();
});

it('a pin that is not there is not dropped', async () => {
  const dir = await folder();
  const store = await reopened(dir);
  const root = await store.importBytes(noiseBytes(10), { into: store.public });
  const bytes = () => readFileSync(join(dir, 'pins.log')).length;
  await store.pin([root], 'run');
  const before = bytes();
  await store.unpin(root, 'other');
  await store.unpin(await store.importBytes(noiseBytes(11), { into: store.public }));
  await store.pin([root], 'run');
  expect(bytes()).toBe(before);
  await store.unpin(root, 'run');
  expect(bytes()).toBeGreaterThan(before);
});

it('a folder in the place of the log of pins is told', async () => {
  const dir = await folder();
  mkdirSync(join(dir, 'pins.log'));
  await expect(openStore({ dir })).rejects.toMatchObject({
    code: 'STORE_UNWRITABLE',
    hint: 'A folder lies in its place: move it away, and put the file back from a copy.',
  });
});

it('a log of pins stays as long as what it says', async () => {
  const file = join(await folder(), 'pins.log');
  const log = opened(file);
  log.append([{ kind: 'pin', root: 'kept', used: 1, name: 'run' }]);
  for (let n = 0; n < 600; n += 1) {
    log.append([
      { kind: 'pin', root: `r${n}`, used: 1, name: 'run' },
      { kind: 'unpin', root: `r${n}` },
    ]);
    // Each sync takes a few of the disk's milliseconds.
    if (n % 20 === 0) await log.sync();
  }
  expect(readFileSync(file, 'utf8').split('\n').length).toBeLessThan(1_050);
  log.append([{ kind: 'pin', root: 'last', used: 1, name: 'run' }]);
  await log.sync();
  log.close();
  expect(namesOf(opened(file))).toEqual({ kept: ['run'], last: ['run'] });
  expect(statSync(`${file}.new`, { throwIfNoEntry: false })).toBeUndefined();
});

it('pins of an earlier version, a file for each tree, are taken over once', async () => {
  const dir = await folder();
  const root = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy';
  mkdirSync(join(dir, 'pins'), { recursive: true });
  writeFileSync(join(dir, 'pins', root), 'run 1\nrun 2\n');
  writeFileSync(join(dir, 'pins', `${root}.new`), 'cut o');
  utimesSync(join(dir, 'pins', root), 77, 77);
  for (let opening = 0; opening < 2; opening += 1) {
    const store = await openStore({ dir });
    expect(await store.pins()).toEqual([{ root, names: ['run 1', 'run 2'] }]);
    await store.close();
    expect(existsSync(join(dir, 'pins'))).toBe(false);
  }
  const lines = readFileSync(join(dir, 'pins.log'), 'utf8').split('\n');
  expect(lines.map((line) => line.slice(9))).toEqual([
    'format 3 0000000000000205',
    `pin ${root} 77000 run 1`,
    `pin ${root} 77000 run 2`,
    '',
  ]);
});
