import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { encodeMessage } from '../../../src/core/wire/messages.ts';
import { protocols } from '../../../src/core/wire/protocols.ts';
import { type Channel, openMesh } from '../../../src/mesh/index.ts';
import { openHome } from '../../../src/runtime/membership/home.ts';
import { joinProject } from '../../../src/runtime/membership/join.ts';
import { initProject, issueTicket } from '../../../src/runtime/membership/project-folder.ts';
import { loopbackController } from '../../support/controller.ts';
import { codeOf, folder } from '../support.ts';

/** A ticket whose controller is replaced by this handler of questions, under its key and at its address. */
async function ticketTo(handler: (channel: Channel) => Promise<void>) {
  const dir = await folder();
  const project = await initProject(dir, { name: 'project', vcs: [], bootstrap: [] });
  const controller = await loopbackController(project);
  const { ticket } = await issueTicket(project, { operator: 'ada', role: 'worker', hosts: 1, seconds: 60 });
  const listen = controller.addresses().map((address) => address.replace(/\/p2p\/.*/, ''));
  await controller.close();
  const other = await openMesh({
    ...{ key: project.controller.seed, listen, bootstrap: [], topics: [], role: 'node' },
  });
  onTestFinished(() => other.close());
  other.handle(protocols.api, handler, { maxInboundStreams: 9, maxMessageBytes: 10_000 });
  return { home: openHome(join(dir, 'home')), ticket };
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
