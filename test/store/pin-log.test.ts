import { appendFileSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { PinLog } from '../../src/store/pin-log.ts';
import { folder } from './support.ts';

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

it('a log of pins stays as long as what it says', async () => {
  const file = join(await folder(), 'pins.log');
  const log = opened(file);
  log.append([{ kind: 'pin', root: 'kept', used: 1, name: 'run' }]);
  for (let n = 0; n < 600; n += 1) {
    log.append([
      { kind: 'pin', root: `r${n}`, used: 1, name: 'run' },
      { kind: 'unpin', root: `r${n}` },
    ]);
    await log.sync();
  }
  expect(readFileSync(file, 'utf8').split('\n').length).toBeLessThan(1_010);
  log.append([{ kind: 'pin', root: 'last', used: 1, name: 'run' }]);
  await log.sync();
  log.close();
  expect(namesOf(opened(file))).toEqual({ kept: ['run'], last: ['run'] });
  expect(statSync(`${file}.new`, { throwIfNoEntry: false })).toBeUndefined();
});
