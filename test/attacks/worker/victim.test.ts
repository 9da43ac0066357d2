import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { HostGate } from '../../../src/egress/index.ts';
import { type NetworkOptions, openBuildNetwork } from '../../../src/execution/network.ts';
import { HttpClient } from '../../../src/node/http-get.ts';
import { openHome } from '../../../src/node/membership/home.ts';
import { hostsOfTicket, joinProject } from '../../../src/node/membership/join.ts';
import { knownHosts } from '../../../src/node/membership/shown-hosts.ts';
import { initProject, issueTicket } from '../../../src/owner/project-folder.ts';
import { knobs } from '../../../src/worker/lending-knobs.ts';
import { hostLimitsOf } from '../../../src/worker/node/terms.ts';
import { program } from '../../e2e/support/jobs.ts';
import { LocalCluster } from '../../e2e/support/local-cluster.ts';
import type { Line } from '../../e2e/support/told.ts';
import { connectTo, say } from '../../egress/support.ts';
import { confined } from '../../source/confined.ts';
import { codeOf, folder } from '../../source/support.ts';
import { loopbackController } from '../../support/controller.ts';
import { makeJob } from '../../support/documents.ts';

const address = '127.0.0.77';

/** A server at an address of its own that counts who connects, and passes them on to `port` of 127.0.0.1, if that is given. */
async function victim(port?: number): Promise<{ host: string; knocks(): number }> {
  let knocks = 0;
  const server = createServer((socket) => {
    knocks++;
    socket.on('error', () => {});
    if (port === undefined) return void socket.end('HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n');
    const onward = connect(port, '127.0.0.1');
    onward.on('error', () => socket.destroy());
    socket.pipe(onward).pipe(socket);
  }).listen(0, address);
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
  });
  const at = server.address();
  return { host: `${address}:${typeof at === 'object' ? at?.port : ''}`, knocks: () => knocks };
}

/** A lender that joins a controller which names these hosts by HTTP, the second ones with the grant: what it was shown, and what it allows. */
async function joining(first: string, then: string): Promise<{ shown: string[]; allowed: string[] }> {
  const dir = await folder();
  const project = await initProject(dir, { name: 'project', vcs: [], bootstrap: [] });
  const controller = await loopbackController(project);
  onTestFinished(() => controller.close());
  const { ticket } = await issueTicket(project, { operator: 'ada', role: 'worker', hosts: 1, seconds: 60 });
  const home = openHome(join(dir, 'home'));
  const options = { home, ticket, signal: AbortSignal.timeout(120_000) };
  controller.tellFeed([`http://${first}`]);
  const shown = await hostsOfTicket(options);
  controller.tellFeed([`http://${then}`]);
  await joinProject({ ...options, shown });
  const { shown: allowed = [] } = (await knownHosts(home, project.project)) ?? {};
  return { shown, allowed };
}

describe('a controller that names the host of a victim when the lender has agreed', () => {
  it('has not got it allowed', async () => {
    expect(await joining('feed.example:8080', 'victim.example')).toEqual({
      shown: ['feed.example:8080'],
      allowed: [],
    });
  });

  it('control: what was shown before is allowed', async () => {
    const same = await joining('feed.example:8080', 'feed.example:8080');
    expect(same).toEqual({ shown: ['feed.example:8080'], allowed: ['feed.example:8080'] });
  });
});

interface Hosts {
  allowed: string[];
  pending: string[];
  traffic: { host: string; connections: number }[];
}

describe('a project whose charter names the host of a victim', () => {
  it('has no connection made by a lender who did not allow it, and one who did connects', async () => {
    const cluster = await LocalCluster.start({ volunteers: ['ada'], slotWait: '2s' });
    const steer = async (...args: string[]): Promise<Hosts> => {
      const { code, lines, report } = await cluster.cli(['worker', ...args], {
        home: 'ada',
        cwd: cluster.dir,
      });
      expect(code, report).toBe(0);
      return (lines[0] as Line & { status: { hosts: Hosts } }).status.hosts;
    };
    const here = `127.0.0.1:${cluster.git.port}`;
    const { host, knocks } = await victim(cluster.git.port);
    expect((await steer('status')).allowed).toEqual([here]);

    const set = await cluster.cli(['charter', 'set', '--vcs', here, '--vcs', host]);
    expect(set.code, set.report).toBe(0);
    const ada = cluster.worker('ada');
    expect(await ada.event('host-named')).toMatchObject({ data: { host } });
    expect(await steer('status')).toMatchObject({ allowed: [here], pending: [host], traffic: [] });

    // The publisher reads the source itself, before it submits the job.
    const run = await cluster.submit((await cluster.git.commit('tool', program('tool'))).replace(here, host));
    const byPublisher = knocks();
    expect(await run.event('passed')).toMatchObject({
      operator: 'ada',
      reason: `does not connect to ${host}: its operator has not allowed that host`,
    });
    await ada.event('pass');
    expect(knocks()).toBe(byPublisher);

    expect(await steer('allow', host)).toMatchObject({ allowed: [here, host], pending: [] });
    await expect.poll(knocks).toBeGreaterThan(byPublisher);
    await ada.event('built');
    const [traffic] = (await steer('status')).traffic;
    expect(traffic).toMatchObject({ host: address, connections: knocks() - byPublisher });
    await cluster.cli(['cancel', run.run]);

    await ada.stop();
    await cluster.join('ada');
    expect((await steer('status')).allowed).toEqual([here, host]);
    expect((await steer('allow', host, '--withdraw')).pending).toEqual([host]);
  });

  const job = makeJob({ network: ['vcs'] });
  const builds = 4;
  const names = Array.from({ length: 8 }, (_, n) => `name${n}.example`);
  const perName = 5;

  /** Each way in which a project has one lender connect: many builds, many names with one address, the feed, and git. */
  async function attack(gate: HostGate | undefined): Promise<{ made: number; tried: number }> {
    const { host, knocks } = await victim();
    const port = Number(host.split(':')[1]);
    const vcs = [host, ...names.map((name) => `${name}:${port}`)];
    const dir = await folder();
    const opened: Exclude<Awaited<ReturnType<typeof openBuildNetwork>>, undefined>[] = [];
    for (let n = 0; n < builds; n++) {
      const options: NetworkOptions = {
        job,
        charter: { vcs, bootstrap: [] },
        source: undefined,
        store: [],
        dir,
        say: () => {},
        privateHosts: 'named',
        resolve: async () => [{ address }],
        ...(gate && { gate }),
      };
      const network = await openBuildNetwork(options);
      if (network !== undefined) opened.push(network);
    }
    await Promise.all(
      opened.map(async (network) => {
        for (let n = 0; n < perName; n++)
          for (const name of names) await say(network, connectTo(`${name}:${port}`));
        await network.close();
      }),
    );
    const http = new HttpClient(gate);
    const signal = AbortSignal.timeout(120_000);
    await http.text(`http://${host}/`, { etag: undefined, maxBytes: 100, signal }).catch(() => {});
    const git = await confined(`git://${host}/x`, vcs, gate && { gate });
    const code = await codeOf(git.fetch('b'.repeat(40)));
    if (gate !== undefined) expect(code).toBe('EGRESS_HOST_LIMIT');
    return { made: knocks(), tried: builds * names.length * perName };
  }

  it('has one who allowed it make no more connections than the limit, whatever its jobs do', async () => {
    expect(hostLimitsOf({ hours: [] })).toMatchObject({ connections: knobs.hostConnections.default });
    const most = 100;
    const limits = hostLimitsOf({ hours: [], hostConnections: most });
    const gate = new HostGate({ allows: () => true, limits });
    const { made, tried } = await attack(gate);
    expect(tried).toBeGreaterThan(most);
    expect(made).toBe(most);
    expect(gate.traffic.reduce((sum, { connections }) => sum + connections, 0)).toBe(most);
  });

  it('control: without the limit it makes them all', async () => {
    const { made, tried } = await attack(undefined);
    expect(made).toBeGreaterThanOrEqual(tried);
  });

  it('has no name resolved by one who did not allow it', async () => {
    const gate = new HostGate({ allows: () => false, limits: hostLimitsOf({ hours: [] }) });
    const asked: string[] = [];
    const resolve = async (name: string) => {
      asked.push(name);
      return [{ address }];
    };
    const { host, knocks } = await victim();
    const port = host.split(':')[1];
    const git = await confined(`git://victim.example:${port}/x`, [host], { resolve, gate });
    expect(await codeOf(git.fetch('b'.repeat(40)))).toBe('EGRESS_HOST_NOT_ALLOWED');
    expect([asked, knocks()]).toEqual([[], 0]);
    const control = await confined(`git://victim.example:${port}/x`, [host], { resolve });
    await codeOf(control.fetch('b'.repeat(40)));
    expect(asked).toContain('victim.example');
    expect(knocks()).toBeGreaterThan(0);
  });
});
