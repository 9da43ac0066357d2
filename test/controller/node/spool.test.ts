import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, writeSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openSpool } from '../../../src/controller/node/spool.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'spool-'));
});
afterEach(() => rm(dir, { recursive: true }));

const open = (bytesMax = 100) => openSpool(join(dir, 'bundles', 'spool'), bytesMax);

it('a spool gives back what was written last, and leaves no file', async () => {
  const spool = open();
  expect(readdirSync(dir)).toEqual([]);
  expect([spool.write('a', 'one'), spool.write('b', 'zw\u00f6lf'), spool.write('a', 'two')]).toEqual([
    true,
    true,
    true,
  ]);
  expect([await spool.read('a'), await spool.read('b'), await spool.read('c')]).toEqual([
    'two',
    'zw\u00f6lf',
    undefined,
  ]);
  expect(readdirSync(join(dir, 'bundles'))).toEqual([]);
  spool.end();
  expect(await spool.read('a')).toBeUndefined();
  expect(spool.write('a', 'three')).toBe(true);
  expect(await spool.read('a')).toBe('three');
  spool.end();
});

it('a spool takes no more than its bound, and what it has is there', async () => {
  const spool = open(10);
  expect([spool.write('a', '12345678'), spool.write('b', '123'), spool.write('c', '12')]).toEqual([
    true,
    false,
    true,
  ]);
  expect([await spool.read('a'), await spool.read('b'), await spool.read('c')]).toEqual([
    '12345678',
    undefined,
    '12',
  ]);
  spool.end();
});

it('a spool that cannot be written says so', async () => {
  await writeFile(join(dir, 'bundles'), '');
  const spool = open();
  expect(spool.write('a', 'one')).toBe(false);
  expect(await spool.read('a')).toBeUndefined();
});

it('a spool whose file cannot lose its name writes nothing into it, and does not keep it open', () => {
  // It can be written, and nobody can remove it.
  const file = '/proc/self/coredump_filter';
  const before = readFileSync(file, 'utf8');
  const spool = openSpool(file, 100);
  expect([spool.write('a', '0x1'), spool.write('a', '0x1')]).toEqual([false, false]);
  expect(heldFiles().filter((fd) => linkOf(fd).endsWith('/coredump_filter'))).toEqual([]);
  expect(readFileSync(file, 'utf8')).toBe(before);
  spool.end();
});

it('a spool gives back nothing that the disk changed', async () => {
  const spool = open();
  spool.write('a', 'one');
  const file = heldFiles().find((fd) => linkOf(fd) === `${join(dir, 'bundles', 'spool')} (deleted)`);
  const disk = openSync(file ?? '', 'r+');
  writeSync(disk, 'u', 0);
  closeSync(disk);
  expect(await spool.read('a')).toBeUndefined();
  spool.end();
});

const heldFiles = () => readdirSync('/proc/self/fd').map((fd) => `/proc/self/fd/${fd}`);

function linkOf(fd: string): string {
  try {
    return readlinkSync(fd);
  } catch {
    return '';
  }
}
