import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ControllerNode } from '../../../src/controller/node/node.ts';
import { ownerMembership } from '../../../src/member/owner-membership.ts';
import { type Mesh, openMesh } from '../../../src/mesh/index.ts';
import { ask } from '../../../src/node/membership/credentials.ts';
import { openHome } from '../../../src/node/membership/home.ts';
import { joinProject } from '../../../src/node/membership/join.ts';
import { meshDial } from '../../../src/node/ports.ts';
import { initProject, issueTicket, type ProjectFolder } from '../../../src/owner/project-folder.ts';
import { fromUtf8 } from '../../../src/protocol/base/text.ts';
import { encodeJob, signMessage } from '../../../src/protocol/documents/index.ts';
import { encodeMessage } from '../../../src/protocol/wire/messages.ts';
import { ownVersion } from '../../../src/protocol/wire/peer-version.ts';
import { protocols } from '../../../src/protocol/wire/protocols.ts';
import { loopbackController } from '../../support/controller.ts';
import { makeJob, makeRequest, nonceOf } from '../../support/documents.ts';

let dir: string;
let folder: ProjectFolder;
let controller: ControllerNode;
const meshes: Mesh[] = [];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'quorate-publisher-'));
  folder = await initProject(dir, { name: 'project', vcs: [], bootstrap: [] });
  controller = await loopbackController(folder);
});
afterAll(async () => {
  for (const mesh of meshes) await mesh.close();
  await controller.close();
  await rm(dir, { recursive: true, force: true, maxRetries: 9 });
});

const soon = () => AbortSignal.timeout(120_000);

async function meshOf(key: Uint8Array): Promise<Mesh> {
  const mesh = await openMesh({ key, listen: [], bootstrap: [], topics: [], role: 'node' });
  meshes.push(mesh);
  return mesh;
}

describe('a publisher whose jobs are as large as jobs may be', () => {
  it('does not keep workers from hearing of them and of all others', async () => {
    const owner = openHome(join(dir, 'owner'));
    const membership = await ownerMembership(owner, folder, soon());
    const key = await owner.key();
    const publisher = await meshOf(key.seed);
    const iat = Math.floor(Date.now() / 1000);
    const submitted: string[] = [];
    for (let n = 0; n < 8; n++) {
      const run = Array.from({ length: 4 }, () => `: ${String(n).repeat(14_000)}`);
      const job = makeJob({ name: `large-${n}`, image: 'host', run });
      const { bytes, id } = encodeJob(job);
      const request = await signMessage(
        'request',
        makeRequest(id, {
          iss: key.id,
          aud: folder.controller.id,
          project: folder.project,
          repo: job.source.url,
          commit: job.source.commit,
          policy: folder.charter.floor,
          jti: nonceOf(`large ${n}`),
          iat,
          exp: iat + 3600,
        }),
        key.signer,
      );
      const { answer } = await ask(
        meshDial(publisher, soon()),
        membership.controllers,
        { kind: 'submit', request: request.raw, publisher: membership.grant, job: fromUtf8(bytes) },
        soon(),
      );
      expect(answer).toMatchObject({ kind: 'accepted' });
      submitted.push(id);
    }

    const home = openHome(join(dir, 'ada'));
    const { ticket } = await issueTicket(folder, { operator: 'ada', role: 'worker', hosts: 1, seconds: 60 });
    const worker = await joinProject({ home, ticket, signal: soon() });
    const mesh = await meshOf((await home.key()).seed);
    const channel = await mesh.open({ id: controller.id, addrs: controller.addresses() }, protocols.feed, {
      signal: soon(),
      maxMessageBytes: 64 * 2 ** 20,
    });
    const capabilities = { arch: 'x86_64', cpus: 1, memoryBytes: 1, diskBytes: 1, tiers: ['namespace'] };
    const version = ownVersion('1.0.0');
    await channel.send(encodeMessage({ kind: 'hello', grant: worker.grant, capabilities, version }));
    const backlog = JSON.parse(fromUtf8((await channel.receive({ timeoutMs: 120_000 })) ?? new Uint8Array()));
    const offered = (backlog.offers as { job: string }[]).map(({ job }) => JSON.parse(job).name);
    expect(offered).toEqual(submitted.map((_, n) => `large-${n}`));
  });
});
