import { mkdir, writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { expect, it, vi } from 'vitest';
import { Person } from '../../bad-input/support/person.ts';

it('quorate diff runs diffoscope in gVisor, unless another sandbox is named', async () => {
  const person = await Person.arrive();
  vi.stubEnv('TMPDIR', person.tmp);
  const dirs = ['one', 'two'].map((text) => person.at(text));
  for (const dir of dirs) {
    await mkdir(dir);
    await writeFile(`${dir}/data.gz`, gzipSync(dir));
  }
  const { code, out, err, report } = await person.inside(['diff', ...dirs]);
  expect([code, err], report).toEqual([1, '']);
  expect(out).toMatch(/^.*-.*\/one$/m);
  expect(await person.litter()).toEqual([]);
});

it('quorate diff ends a diffoscope that unpacks more than there is room for, and says so', async () => {
  const person = await Person.arrive();
  vi.stubEnv('TMPDIR', person.tmp);
  // Members of a gzip file are unpacked one after the other: 1 GiB in 1 MB.
  const member = gzipSync(new Uint8Array(1024 * 1024));
  const bomb = Buffer.concat(Array.from({ length: 1_024 }, () => member));
  const dirs = ['a', 'b'].map((side) => person.at(side));
  for (const [n, dir] of dirs.entries()) {
    await mkdir(dir);
    await writeFile(`${dir}/data.gz`, Buffer.concat([gzipSync(String(n)), bomb]));
  }
  const { code, out, err, report } = await person.inside(['diff', '--tier', 'namespace', ...dirs]);
  expect(code, report).toBe(1);
  // Either its disk is full, or its memory, which holds that disk; then it goes on with the packed bytes, or is ended.
  expect(`${out}${err}`).toMatch(/No space left on device|^What diffoscope says is not all: .+$/m);
  expect(out).toMatch(/\n0 added, 0 removed, 1 changed\n$/);
  expect(await person.litter()).toEqual([]);
});
