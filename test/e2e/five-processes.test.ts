import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Ground, hostNames, type Service, services } from './support/ground.ts';
import { Hosts } from './support/hosts.ts';
import { until } from './support/wait.ts';

let ground: Ground;
const longMs = 900_000;

beforeAll(async () => {
  ground = new Ground(await Hosts.open(hostNames));
  await ground.open();
}, longMs);
afterAll(() => ground?.hosts.close());

/** Events while nobody reaches a service, and it reaches nobody. */
async function away(service: Service, meanwhile: () => Promise<void>): Promise<void> {
  await ground.hosts.unreachable(service);
  try {
    await meanwhile();
  } finally {
    await ground.hosts.reachable(service);
  }
}

describe('a project as processes on addresses of their own', { timeout: longMs }, () => {
  let last: { artifact: string; says: string };

  it('has each key where it belongs', async () => {
    const keys = async (service: Service) =>
      (await readdir(join(ground.hosts.folder(service), '.quorate'))).filter((name) => name.endsWith('.key'));
    expect(await keys('controller')).toEqual(['controller.key']);
    expect(await keys('idp')).toEqual(['idp.key']);
  });

  it('builds what is pushed until it is trusted, and a stranger fetches it', async () => {
    last = await ground.build();
    expect(await ground.fetch(last.artifact, 'first')).toBe(last.says);
  });

  it('goes on when each of them was killed and has started again', async () => {
    for (const service of services) {
      await ground.proc(service).kill();
      await ground.start(service);
    }
    const ticket = await ground.ticket('dora', '--role', 'reader');
    await until('dora to join', async () => (await ground.join('dora', ticket)).code === 0);
    last = await ground.build();
    expect(await ground.fetch(last.artifact, 'restarted')).toBe(last.says);
  });

  it('builds while nobody reaches the identity provider, and admits nobody until it is back', async () => {
    const ticket = await ground.ticket('emil', '--role', 'reader');
    await away('idp', async () => {
      expect((await ground.join('emil', ticket)).error).toBe('IDP_UNREACHABLE');
      last = await ground.build();
      expect(await ground.fetch(last.artifact, 'no-idp')).toBe(last.says);
    });
    await until('emil to join', async () => (await ground.join('emil', ticket)).code === 0);
  });

  it('builds while nobody reaches the bootstrap node, and is fetched from an address that is known', async () => {
    await away('bootstrap', async () => {
      const { artifact, says } = await ground.build();
      expect(await ground.fetch(artifact, 'no-bootstrap', { from: ground.store })).toBe(says);
    });
  });

  it('publishes nothing while nobody reaches the store that is to keep it, and then does', async () => {
    let run = '';
    await away('store', async () => {
      ({ run } = await ground.publish());
      const waits = async () => (await ground.show(run)).text.includes('waits for an artifact store');
      await until('the run to wait', waits);
      expect((await ground.show(run)).level).not.toBe('trusted');
    });
    expect(await ground.trusted(run)).toMatch(/^baf/);
  });

  it('builds what is asked for by hand while nobody reaches the watcher, which then sees what was pushed', async () => {
    const watch = ground.proc('watch');
    const since = watch.mark();
    await away('watch', async () => {
      const says = await ground.commit();
      const { code, lines, report } = await ground.hosts.answer('world', ['run', ground.url], {
        home: 'owner',
      });
      expect(code, report).toBe(0);
      expect(await ground.fetch(String(lines.at(-1)?.artifact), 'no-watch')).toBe(says);
    });
    await watch.event('published', { since });
  });

  it('is fetched while nobody reaches the controller, and takes jobs and members once it is back', async () => {
    const ticket = await ground.ticket('fay', '--role', 'reader');
    const watch = ground.proc('watch');
    const since = watch.mark();
    let says = '';
    await away('controller', async () => {
      says = await ground.commit();
      await watch.event('refused', { since });
      expect(await ground.fetch(last.artifact, 'no-controller')).toBe(last.says);
      expect((await ground.join('fay', ticket)).error).toBe('CONTROLLER_UNREACHABLE');
    });
    await until('fay to join', async () => (await ground.join('fay', ticket)).code === 0);
    const { runs } = await watch.event('published', { since });
    const artifact = await ground.trusted(String((runs as { run: string }[])[0]?.run));
    expect(await ground.fetch(artifact, 'last')).toBe(says);
  });
});
