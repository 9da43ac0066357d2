import { expect, it } from 'vitest';
import { fetchLogs } from '../../../src/store-node/node/keeper.ts';
import { keeping, peer } from './support.ts';

it('logs are kept beside a tree while there is room, and those that cannot be had are told', async () => {
  const honest = await peer();
  const [one, two, three] = [await honest.add('one'), await honest.add('two'), await honest.add('three')];
  const { context, events } = await keeping([honest]);
  const fetch = async (maxBytes: number, ...logs: string[]) => {
    const named = logs.map((log) => ({ log, worker: honest.mesh.id }));
    const of = { entry: { name: 'app', run: 'r' } as never, logs: named };
    return [...(await fetchLogs(context, of, [], maxBytes))];
  };
  const [[, bytes] = ['', 0]] = await fetch(2 ** 20, one);
  expect(bytes).toBeGreaterThan(0);
  expect(await fetch(2 ** 20, one, two, three)).toEqual([
    [one, bytes],
    [two, expect.any(Number)],
    [three, expect.any(Number)],
  ]);
  // No room is left for the second, which is not asked for.
  expect(await fetch(bytes, one, two)).toEqual([[one, bytes]]);
  expect(events).toEqual([]);
  const absent = one.replace(/.$/, (last) => (last === 'a' ? 'e' : 'a'));
  expect(await fetch(2 ** 20, absent, two)).toMatchObject([[two, expect.any(Number)]]);
  expect(events).toMatchObject([
    { kind: 'logs', says: '1 logs of app could not be had', data: { run: 'r', logs: [absent] } },
  ]);
});
