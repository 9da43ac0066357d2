import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { TaskPool } from '../../src/store/task-pool.ts';

it('runs sixteen tasks at once, and the next one when one of them ends', async () => {
  const pool = new TaskPool();
  const ends: (() => void)[] = [];
  const start = () => new Promise<void>((resolve) => void ends.push(resolve));
  for (let n = 0; n < 16; n++) await pool.run(start);
  const next = pool.run(start);
  await turn();
  expect(ends).toHaveLength(16);
  ends[3]?.();
  await next;
  expect(ends).toHaveLength(17);
  const drained = pool.drain().then(() => 'drained');
  expect(await Promise.race([drained, turn('waits')])).toBe('waits');
  for (const end of ends) end();
  expect(await drained).toBe('drained');
});

it('tells the first failure to those who wait for all tasks, and begins none after it', async () => {
  const pool = new TaskPool();
  await pool.run(() => Promise.reject(new Error('first')));
  await turn();
  await expect(pool.run(() => Promise.resolve())).rejects.toThrow('first');
  await expect(pool.drain()).rejects.toThrow('first');
});
