import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ControllerNode } from '../../../src/controller/node/node.ts';
import { openHome } from '../../../src/node/membership/home.ts';
import { joinProject } from '../../../src/node/membership/join.ts';
import { initProject, issueTicket, openProjectFolder } from '../../../src/owner/project-folder.ts';
import { loopbackController } from '../../support/controller.ts';

let dir: string;
let controller: ControllerNode;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'quorate-trusted-'));
  controller = await loopbackController(await initProject(dir, { name: 'project', vcs: [], bootstrap: [] }));
});
afterAll(async () => {
  await controller.close();
  await rm(dir, { recursive: true, force: true });
});

it("a trusted worker's ticket works in the moment it is made, three times in a row", async () => {
  for (const operator of ['tower', 'keep', 'vault']) {
    const home = openHome(join(dir, operator));
    const { id } = await home.key();
    const folder = await openProjectFolder(dir);
    const made = await issueTicket(folder, {
      operator,
      role: 'trusted-worker',
      hosts: 1,
      key: id,
      seconds: 60,
    });
    const joined = await joinProject({ home, ticket: made.ticket, signal: AbortSignal.timeout(120_000) });
    expect(joined).toMatchObject({ operator, role: 'trusted-worker' });
  }
});
