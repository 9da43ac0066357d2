import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { protocols } from '../../../src/core/wire/protocols.ts';
import { openMesh } from '../../../src/mesh/index.ts';
import { openHome } from '../../../src/runtime/membership/home.ts';
import { joinProject } from '../../../src/runtime/membership/join.ts';
import { initProject, issueTicket } from '../../../src/runtime/membership/project-folder.ts';
import { loopbackController } from '../../support/controller.ts';
import { codeOf, folder } from '../support.ts';

it('ends with a code when a controller does not answer in time', async () => {
  const dir = await folder();
  const project = await initProject(dir, { name: 'project', vcs: [], bootstrap: [] });
  const controller = await loopbackController(project);
  const { ticket } = await issueTicket(project, { operator: 'ada', role: 'worker', hosts: 1, seconds: 60 });
  const listen = controller.addresses().map((address) => address.replace(/\/p2p\/.*/, ''));
  await controller.close();
  const silent = await openMesh({
    ...{ key: project.controller.seed, listen, bootstrap: [], topics: [], role: 'node' },
  });
  onTestFinished(() => silent.close());
  silent.handle(protocols.api, () => new Promise(() => {}), {
    maxInboundStreams: 9,
    maxMessageBytes: 10_000,
  });
  const signal = AbortSignal.timeout(500);
  const joining = joinProject({ home: openHome(join(dir, 'home')), ticket, signal });
  expect(await codeOf(() => joining)).toBe('TIMED_OUT');
});
