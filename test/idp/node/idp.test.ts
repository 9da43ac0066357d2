import { existsSync } from 'node:fs';
import { copyFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { freePort } from '../../../examples/demo/free-port.ts';
import { type ControllerNode, startController } from '../../../src/controller/node/node.ts';
import { IdentityProvider } from '../../../src/idp/machine/machine.ts';
import { idpNodeLimits } from '../../../src/idp/node/limits.ts';
import { type IdpNode, startIdp } from '../../../src/idp/node/node.ts';
import { openHome } from '../../../src/node/membership/home.ts';
import { joinProject } from '../../../src/node/membership/join.ts';
import type { NodeEvent } from '../../../src/node/node-events.ts';
import { initIdp, openIdpFolder } from '../../../src/owner/idp-folder.ts';
import {
  initProject,
  issueTicket,
  openProjectFolder,
  type ProjectFolder,
} from '../../../src/owner/project-folder.ts';
import { rotateIdp, rotateTrusted } from '../../../src/owner/rotate.ts';
import { sessionTimes } from '../../../src/protocol/sessions/limits.ts';
import { codeOf, folder } from '../../support/code-and-folder.ts';
import { testKey } from '../../support/documents.ts';
import { withLimits } from '../../support/with-limits.ts';

beforeEach(() => {
  withLimits(idpNodeLimits, { folderPollMs: 50 });
  withLimits(sessionTimes, { charterExchangeMs: 100, idpRestMs: 50 });
});

const signal = AbortSignal.timeout(240_000);

class Hosts {
  idpDir = '';
  controllerDir = '';
  idpPort = 0;
  readonly events: NodeEvent[] = [];
  idp: IdpNode | undefined;
  controller: ControllerNode | undefined;
  rekeyed = 0;

  static async open(): Promise<Hosts> {
    const hosts = new Hosts();
    const { key, dir } = await initIdp(await folder());
    const made = await initProject(await folder(), { name: 'tools', vcs: [], bootstrap: [], idp: key });
    hosts.idpDir = dir;
    hosts.controllerDir = made.dir;
    hosts.idpPort = await freePort();
    onTestFinished(() => hosts.close());
    return hosts;
  }

  async close(): Promise<void> {
    await this.idp?.close();
    await this.controller?.close();
  }

  async startIdp(): Promise<void> {
    const charter = existsSync(join(this.idpDir, 'charter.jws'))
      ? undefined
      : join(this.controllerDir, 'charter.jws');
    this.idp = await startIdp({
      folder: await openIdpFolder(this.idpDir, charter),
      listen: [`/ip4/127.0.0.1/tcp/${this.idpPort}`],
      announce: [],
      onEvent() {},
      onRekeyed: () => void this.rekeyed++,
      onFailure() {},
    });
  }

  async startController(): Promise<void> {
    this.controller = await startController({
      folder: await openProjectFolder(this.controllerDir),
      listen: ['/ip4/127.0.0.1/tcp/0'],
      announce: [],
      bootstrap: [],
      idp: [`/ip4/127.0.0.1/tcp/${this.idpPort}`],
      onEvent: (event) => void this.events.push(event),
      onRekeyed() {},
      onFailure() {},
    });
  }

  async said(says: string): Promise<void> {
    await expect.poll(() => this.events.map((event) => event.says)).toContain(says);
  }

  idpFolder = (): Promise<ProjectFolder> => openProjectFolder(this.idpDir);

  async ticket(operator: string): Promise<string> {
    const told = async () => (await (await this.idpFolder()).address()) !== undefined;
    await expect.poll(told).toBe(true);
    const options = { operator, role: 'worker', hosts: 1, seconds: 3600 } as const;
    return (await issueTicket(await this.idpFolder(), options)).ticket;
  }
}

describe('an identity provider in a process of its own', () => {
  it('admits members through a controller that does not have its key, and is missed while it is away', async () => {
    const hosts = await Hosts.open();
    await hosts.startIdp();
    await hosts.startController();
    expect((await openProjectFolder(hosts.controllerDir)).holds).toEqual({ controller: true, idp: false });
    expect((await hosts.idpFolder()).holds).toEqual({ controller: false, idp: true });
    const home = openHome(await folder());
    const membership = await joinProject({ home, ticket: await hosts.ticket('ada'), signal });
    expect(membership).toMatchObject({ operator: 'ada', role: 'worker' });

    const ticket = await hosts.ticket('bob');
    await hosts.idp?.close();
    const bob = openHome(await folder());
    expect(await codeOf(() => joinProject({ home: bob, ticket, signal }))).toBe('IDP_UNREACHABLE');
    await hosts.startIdp();
    await expect.poll(() => codeOf(() => joinProject({ home: bob, ticket, signal }))).toBeUndefined();
    expect(await codeOf(async () => joinProject({ home: openHome(await folder()), ticket, signal }))).toBe(
      'TICKET_EXHAUSTED',
    );
  });

  it('gets another key on its own host, and is found with it', async () => {
    const hosts = await Hosts.open();
    await hosts.startIdp();
    await hosts.startController();
    await hosts.said('the identity provider answers');
    await rename(join(hosts.controllerDir, 'root.key'), join(hosts.idpDir, 'root.key'));
    const { key } = await rotateIdp(await hosts.idpFolder(), { atOnce: true });
    await expect.poll(() => hosts.rekeyed).toBe(1);
    await hosts.idp?.close();
    await hosts.startIdp();
    expect(hosts.idp?.id).toBe(key);
    await hosts.said('the charter is now of epoch 2');
    const home = openHome(await folder());
    const ticket = await hosts.ticket('ada');
    const { charter } = await joinProject({ home, ticket, signal });
    expect(JSON.parse(Buffer.from(charter.split('.')[1] ?? '', 'base64url').toString())).toMatchObject({
      epoch: 2,
      idps: [key],
    });
  });
});

describe('an identity provider that cannot start', () => {
  const start = (of: ProjectFolder) =>
    startIdp({
      folder: of,
      listen: ['/ip4/127.0.0.1/tcp/0'],
      announce: [],
      onEvent() {},
      onRekeyed() {},
      onFailure() {},
    });

  it('has a key that the charter does not name', async () => {
    const hosts = await Hosts.open();
    const opened = await openIdpFolder(hosts.idpDir, join(hosts.controllerDir, 'charter.jws'));
    const charter = { ...opened.charter, idps: [] };
    expect(await codeOf(() => start(Object.create(opened, { charter: { value: charter } })))).toBe(
      'IDP_KEY_NOT_NAMED',
    );
  });

  it('lost its charter meanwhile, and holds nothing open then', async () => {
    const hosts = await Hosts.open();
    const opened = await openIdpFolder(hosts.idpDir, join(hosts.controllerDir, 'charter.jws'));
    const file = join(hosts.idpDir, 'charter.jws');
    await rename(file, `${file}.away`);
    await expect(start(opened)).rejects.toThrow('a project folder that was opened has a charter');
    await rename(`${file}.away`, file);
    const metrics = new Registry();
    const node = await startIdp({
      folder: opened,
      listen: ['/ip4/127.0.0.1/tcp/0'],
      announce: [],
      metrics,
      onEvent() {},
      onRekeyed() {},
      onFailure() {},
    });
    expect(await metrics.metrics()).toContain('quorate_mesh_');
    await node.close();
  });
});

it('an identity provider that cannot go on closes itself, and says why', async () => {
  const hosts = await Hosts.open();
  const charter = join(hosts.controllerDir, 'charter.jws');
  const opened = await openIdpFolder(hosts.idpDir, charter);
  const failed = Promise.withResolvers<unknown>();
  const start = () =>
    startIdp({
      folder: opened,
      listen: ['/ip4/127.0.0.1/tcp/0'],
      announce: [],
      onEvent() {},
      onRekeyed() {},
      onFailure: failed.resolve,
    });
  const node = await start();
  onTestFinished(() => node.close());
  expect(node.health.live.map(({ trouble }) => trouble())).toEqual([undefined]);
  const error = new Error('no room');
  const handled = vi.spyOn(IdentityProvider.prototype, 'handle').mockImplementation(() => {
    throw error;
  });
  onTestFinished(() => handled.mockRestore());
  await rotateTrusted(await openProjectFolder(hosts.controllerDir), { add: [testKey('t').id], remove: [] });
  await copyFile(charter, join(hosts.idpDir, 'charter.jws'));
  expect(await failed.promise).toBe(error);
  expect(node.health.live.map(({ trouble }) => trouble())).toEqual(['no room']);
  handled.mockRestore();
  // Its journal is free again.
  await (await start()).close();
});

describe('the folders of a project whose identity provider is apart', () => {
  it('are told apart: which key is where, and what is done there', async () => {
    const hosts = await Hosts.open();
    const controller = await openProjectFolder(hosts.controllerDir);
    const options = { operator: 'ada', role: 'worker', hosts: 1, seconds: 60 } as const;
    expect(await codeOf(() => issueTicket(controller, options))).toBe('IDP_KEY_APART');
    expect(await codeOf(() => rotateIdp(controller, { atOnce: false }))).toBe('IDP_KEY_APART');
    const start = (idp?: string[]) =>
      startController({
        folder: controller,
        listen: ['/ip4/127.0.0.1/tcp/0'],
        announce: [],
        bootstrap: [],
        ...(idp !== undefined && { idp }),
        onEvent() {},
        onRekeyed() {},
        onFailure() {},
      });
    expect(await codeOf(() => start())).toBe('IDP_ADDRESS_NEEDED');
    expect(await codeOf(() => openIdpFolder(hosts.idpDir, undefined))).toBe('IDP_CHARTER_NEEDED');
    expect(await codeOf(() => openIdpFolder(hosts.controllerDir, undefined))).toBe('IDP_KEY_HERE');
    expect(await codeOf(() => initIdp(join(hosts.controllerDir, '..')))).toBe('PROJECT_EXISTS');
    const other = await initIdp(await folder());
    const charter = join(hosts.controllerDir, 'charter.jws');
    const stranger = openIdpFolder(other.dir, charter);
    expect(await codeOf(() => stranger)).toBe('CONTROLLER_KEY_MISSING');
    await rename(join(other.dir, 'idp.key'), join(hosts.controllerDir, 'idp.key'));
    expect(await codeOf(() => openProjectFolder(hosts.controllerDir))).toBe('CONTROLLER_KEY_MISSING');
  });

  it('are one folder where it is not apart, which then takes no address', async () => {
    const made = await initProject(await folder(), { name: 'tools', vcs: [], bootstrap: [] });
    const start = startController({
      folder: made,
      listen: ['/ip4/127.0.0.1/tcp/0'],
      announce: [],
      bootstrap: [],
      idp: ['/ip4/127.0.0.1/tcp/1'],
      onEvent() {},
      onRekeyed() {},
      onFailure() {},
    });
    expect(await codeOf(() => start)).toBe('IDP_KEY_HERE');
  });
});
