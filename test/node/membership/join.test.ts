import { randomBytes } from 'node:crypto';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { issueInvite } from '../../../src/identity/idp.ts';
import { encodeTicket } from '../../../src/identity/ticket.ts';
import { type Channel, openMesh } from '../../../src/mesh/index.ts';
import { openHome } from '../../../src/node/membership/home.ts';
import { joinProject } from '../../../src/node/membership/join.ts';
import { initProject, type ProjectFolder } from '../../../src/owner/project-folder.ts';
import { encodeMessage } from '../../../src/protocol/wire/messages.ts';
import { protocols } from '../../../src/protocol/wire/protocols.ts';
import { codeOf, folder } from '../../support/code-and-folder.ts';
import { loopbackController } from '../../support/controller.ts';

/** The port of the loopback address at which it listens. */
async function listening(server: Server): Promise<number> {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

async function ticketOf(project: ProjectFolder, addrs: readonly string[]): Promise<string> {
  const invite = await issueInvite(project.idp.signer, {
    project: project.project,
    operator: 'ada',
    role: 'reader',
    hosts: 1,
    seconds: 600,
    now: Date.now(),
    addrs,
  });
  return encodeTicket({ invite: invite.raw });
}

/** A ticket of these addresses, and of a port that leads to the controller once it has broken off so many connections. */
async function behindBusy(brokenOff: number, others: readonly string[]) {
  const dir = await folder();
  const project = await initProject(dir, { name: 'project', vcs: [], bootstrap: [] });
  const controller = await loopbackController(project);
  onTestFinished(() => controller.close());
  const at = Number(controller.addresses()[0]?.split('/')[4]);
  let connections = 0;
  const server = createServer((socket) => {
    socket.on('error', () => {});
    connections += 1;
    if (connections <= brokenOff) return void socket.resetAndDestroy();
    const there = connect(at, '127.0.0.1').on('error', () => socket.destroy());
    socket.pipe(there).pipe(socket);
  });
  const places = [...others, `/ip4/127.0.0.1/tcp/${await listening(server)}`];
  const ticket = await ticketOf(
    project,
    places.map((place) => `${place}/p2p/${controller.id}`),
  );
  const home = openHome(join(dir, 'home'));
  return { home, ticket, connections: () => connections };
}

/** A ticket of a controller that answers questions by this handler. */
async function ticketTo(handler: (channel: Channel) => Promise<void>) {
  const dir = await folder();
  const project = await initProject(dir, { name: 'project', vcs: [], bootstrap: [] });
  const controller = await openMesh({
    key: project.controller.seed,
    listen: ['/ip4/127.0.0.1/tcp/0'],
    bootstrap: [],
    topics: [],
    role: 'node',
  });
  onTestFinished(() => controller.close());
  controller.handle(protocols.api, handler, { maxInboundStreams: 9, maxMessageBytes: 10_000 });
  return { home: openHome(join(dir, 'home')), ticket: await ticketOf(project, controller.addresses()) };
}

it('ends with a code when a controller does not answer in time', async () => {
  const silent = await ticketTo(() => new Promise(() => {}));
  const joining = joinProject({ ...silent, signal: AbortSignal.timeout(500) });
  expect(await codeOf(() => joining)).toBe('TIMED_OUT');
});

it('asks a controller again that takes no more connections, up to the next error', async () => {
  const errors = ['MESH_BUSY', 'MESH_PEER_RATE', 'TICKET_EXHAUSTED', 'MESH_BUSY'];
  const busy = await ticketTo(async (channel) => {
    await channel.receive();
    await channel.send(encodeMessage({ kind: 'error', code: errors.shift() ?? '', message: 'no' }));
  });
  const joining = joinProject({ ...busy, signal: new AbortController().signal });
  expect(await codeOf(() => joining)).toBe('TICKET_EXHAUSTED');
  expect(errors).toEqual(['MESH_BUSY']);
});

it('asks a controller again that is busy at one address while a stranger is at another one', async () => {
  const stranger = await openMesh({
    key: randomBytes(32),
    listen: ['/ip4/127.0.0.1/tcp/0'],
    bootstrap: [],
    topics: [],
    role: 'node',
  });
  onTestFinished(() => stranger.close());
  const [at = ''] = stranger.addresses().map((address) => address.replace(/\/p2p\/.*/, ''));
  const busy = await behindBusy(3, [at]);
  const joining = joinProject({ ...busy, signal: new AbortController().signal });
  expect(await joining).toMatchObject({ operator: 'ada', role: 'reader' });
  expect(busy.connections()).toBeGreaterThan(3);
});
