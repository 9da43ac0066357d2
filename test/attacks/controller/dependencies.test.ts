import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ControllerNode } from '../../../src/controller/node/node.ts';
import { ownerMembership } from '../../../src/member/owner-membership.ts';
import { type Mesh, openMesh } from '../../../src/mesh/index.ts';
import { serveArtifacts } from '../../../src/node/artifacts/transfer.ts';
import { type Home, openHome } from '../../../src/node/membership/home.ts';
import { joinProject } from '../../../src/node/membership/join.ts';
import { meshDial } from '../../../src/node/ports.ts';
import { initProject, issueTicket, type ProjectFolder } from '../../../src/owner/project-folder.ts';
import { fromUtf8 } from '../../../src/protocol/base/text.ts';
import { encodeJob, signMessage } from '../../../src/protocol/documents/index.ts';
import { openQuestion } from '../../../src/protocol/sessions/ask.ts';
import type { Membership } from '../../../src/protocol/sessions/credentials.ts';
import { errorFrom } from '../../../src/protocol/sessions/message-stream.ts';
import type { ApiUp } from '../../../src/protocol/wire/messages.ts';
import { openStore, type Store } from '../../../src/store/index.ts';
import { transferLimits } from '../../../src/transfer/limits.ts';
import { codeOf } from '../../support/code-and-folder.ts';
import { loopbackController } from '../../support/controller.ts';
import { cidOf, makeJob, makeRequest, nonceOf } from '../../support/documents.ts';
import { withLimits } from '../../support/with-limits.ts';

interface Peer {
  home: Home;
  mesh: Mesh;
}

let dir: string;
let folder: ProjectFolder;
let controller: ControllerNode;
let store: Store;
/** The publisher, an operator of the project, and somebody without a ticket; each serves the same trees. */
let owner: Peer & { membership: Membership };
let ada: Peer & { membership: Membership };
let eve: Peer;
/** A tree for each who brings one. */
const trees: string[] = [];

const soon = () => AbortSignal.timeout(120_000);

async function peer(name: string): Promise<Peer> {
  const home = openHome(join(dir, name));
  const { seed } = await home.key();
  const mesh = await openMesh({ key: seed, listen: [], bootstrap: [], topics: [], role: 'node' });
  serveArtifacts({ mesh, store });
  return { home, mesh };
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'quorate-dependencies-'));
  folder = await initProject(dir, { name: 'project', vcs: [], bootstrap: [] });
  controller = await loopbackController(folder);
  store = await openStore({ dir: join(dir, 'served') });
  for (const text of ['first', 'second', 'third'])
    trees.push(await store.importBytes(Buffer.from(text), { into: store.public }));
  eve = await peer('eve');
  const publisher = await peer('owner');
  owner = { ...publisher, membership: await ownerMembership(publisher.home, folder, soon()) };
  const { ticket } = await issueTicket(folder, { operator: 'ada', role: 'worker', hosts: 1, seconds: 60 });
  const operator = await peer('ada');
  ada = { ...operator, membership: await joinProject({ home: operator.home, ticket, signal: soon() }) };
});
afterAll(async () => {
  for (const { mesh } of [owner, ada, eve]) await mesh.close();
  await store.close();
  await controller.close();
  await rm(dir, { recursive: true, force: true });
});

/** The code of the controller's last answer to one question; undefined where it is none of an error. */
const asked = (mesh: Mesh, question: ApiUp) =>
  codeOf(async () => {
    const at = { id: controller.id, addrs: controller.addresses() };
    const stream = await openQuestion(meshDial(mesh, soon()), at, question);
    let answer = await stream.receive();
    while (answer?.kind === 'bringing') answer = await stream.receive();
    await stream.close();
    if (answer?.kind === 'error') throw errorFrom(answer);
  });

const bring = (mesh: Mesh, tree: string | undefined, publisher: string) =>
  asked(mesh, { kind: 'bring', tree: tree ?? '', publisher });

/** Publishes a job that is built with the tree. */
async function submit(tree: string | undefined): Promise<string | undefined> {
  const { id: iss, signer } = await owner.home.key();
  const dependencies = { locks: ['package-lock.json'], tree: tree ?? '' };
  const job = makeJob({ image: 'host', dependencies });
  const { bytes, id } = encodeJob(job);
  const iat = Math.floor(Date.now() / 1000);
  const request = await signMessage(
    'request',
    makeRequest(id, {
      iss,
      aud: folder.controller.id,
      project: folder.project,
      repo: job.source.url,
      commit: job.source.commit,
      policy: folder.charter.floor,
      jti: nonceOf(`of ${tree}`),
      iat,
      exp: iat + 3600,
    }),
    signer,
  );
  const publisher = owner.membership.grant;
  return asked(owner.mesh, { kind: 'submit', request: request.raw, publisher, job: fromUtf8(bytes) });
}

describe('a controller takes dependencies', () => {
  it('from a publisher, and then jobs that need them', async () => {
    expect(await submit(trees[0])).toBe('DEPENDENCIES_UNKNOWN');
    expect(await bring(owner.mesh, trees[0], owner.membership.grant)).toBeUndefined();
    expect(await submit(trees[0])).toBeUndefined();
  });

  it('from nobody else, whoever has the papers', async () => {
    expect(await bring(eve.mesh, trees[1], owner.membership.grant)).toBe('KEY_NOT_ENROLLED');
    expect(await bring(ada.mesh, trees[1], owner.membership.grant)).toBe('GRANT_KEY_MISMATCH');
    expect(await bring(ada.mesh, trees[1], ada.membership.grant)).toBe('GRANT_ROLE_MISMATCH');
    expect(await submit(trees[1])).toBe('DEPENDENCIES_UNKNOWN');
  });

  it('as far as their publisher has them', async () => {
    withLimits(transferLimits, { breakAgainMs: 1 });
    const nowhere = cidOf('nowhere');
    expect(await bring(owner.mesh, nowhere, owner.membership.grant)).toBe('DEPENDENCIES_UNAVAILABLE');
    expect(await submit(nowhere)).toBe('DEPENDENCIES_UNKNOWN');
  });
});

describe('a controller ends the alarm of a run', () => {
  const acknowledge = (mesh: Mesh, publisher: string) =>
    asked(mesh, { kind: 'acknowledge', which: 'ab'.repeat(32), publisher });

  it('for a publisher, and for nobody else, whoever has the papers', async () => {
    expect(await acknowledge(eve.mesh, owner.membership.grant)).toBe('KEY_NOT_ENROLLED');
    expect(await acknowledge(ada.mesh, owner.membership.grant)).toBe('GRANT_KEY_MISMATCH');
    expect(await acknowledge(ada.mesh, ada.membership.grant)).toBe('GRANT_ROLE_MISMATCH');
    // Control: the owner is let in, and there is no such run.
    expect(await acknowledge(owner.mesh, owner.membership.grant)).toBe('JOB_UNKNOWN');
  });
});
