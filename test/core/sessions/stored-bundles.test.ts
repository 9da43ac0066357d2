import { beforeEach, describe, expect, it } from 'vitest';
import { A, built, deliverAll, other, projectOf } from '../controller/bench.ts';

import { Desk } from './desk.ts';

let desk: Desk;
beforeEach(async () => {
  desk = new Desk(await projectOf('ada', 'bob', 'cy'));
});

describe('a stored bundle that is not the one that was stored', () => {
  const damaged = { code: 'BUNDLE_DAMAGED' };
  /** One character of the file, under all of its names. */
  const damage = (text: string) => {
    for (const [name, found] of desk.stored)
      if (found === text) desk.stored.set(name, text.replace('"v":1', '"v":2'));
  };

  it.each(['run', 'job', 'artifact'])(
    'is not served by its %s, and made again at the next start',
    async (kind) => {
      const run = await desk.play('app', built);
      const before = desk.stored.get(run) ?? '';
      const names = { run, job: desk.bench.facts(run).jobId, artifact: A };
      const which = names[kind as keyof typeof names];
      const served = desk.serve();
      expect(await served.get(which)).toBe(before);
      damage(before);
      await expect(served.get(which)).rejects.toMatchObject(damaged);
      await expect(served.get(which)).rejects.toMatchObject(damaged);
      expect(desk.stored.has(which)).toBe(false);
      expect(desk.told).toEqual([{ kind: 'bundle', ...damaged, which, run }]);
      await desk.restart();
      for (const name of Object.values(names)) expect(await desk.serve().get(name)).toBe(before);
    },
  );

  it('or an older one of the same run, put back from a copy', async () => {
    const { bench } = desk;
    const run = await bench.submit({ name: 'app' });
    const leases = await bench.lease('ada', 'bob', 'cy');
    const trusted = (await bench.lease('trusted')).get('trusted');
    await deliverAll(bench, leases, [built, built, built]);
    bench.pinned(run);
    await desk.perform();
    const older = desk.stored.get(run) ?? '';
    expect(await desk.serve().get(run)).toBe(older);
    await bench.deliver('trusted', trusted, built);
    await desk.cosign(run);
    await desk.perform();
    const before = desk.stored.get(run);
    expect(await desk.levelOf(run)).toBe('trusted');
    for (const name of desk.stored.keys()) desk.stored.set(name, older);
    await desk.restart();
    expect(desk.stored.get(run)).toBe(older);
    await expect(desk.serve().get(A)).rejects.toMatchObject(damaged);
    await desk.restart();
    expect(await desk.serve().get(run)).toBe(before);
    expect(await desk.serve().get(A)).toBe(before);
  });

  it('is not taken for one while a later verdict of its run is being stored', async () => {
    const { bench } = desk;
    const run = await desk.play('app', built, other);
    const before = desk.stored.get(run) ?? '';
    bench.controller.state.unstored.add(run);
    damage(before);
    expect(await desk.serve().get(run)).toBe(desk.stored.get(run));
    bench.controller.state.unstored.delete(run);
    await expect(desk.serve().get(run)).rejects.toMatchObject(damaged);
  });

  it('is served as before where the journal is older than the hashes', async () => {
    const run = await desk.play('app', built);
    damage(desk.stored.get(run) ?? '');
    for (const { event } of desk.bench.journal) if (event.kind === 'stored') delete event.sha256;
    desk.bench.replay();
    expect(await desk.serve().get(run)).toBe(desk.stored.get(run));
    expect(desk.told).toEqual([]);
  });
});
