import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Mesh } from '../../src/mesh/index.ts';
import { serveBundles } from '../../src/node/artifacts/bundles.ts';
import { fetchArtifact, NotTrusted } from '../../src/node/artifacts/fetch.ts';
import { serveRevocations } from '../../src/node/artifacts/revocations.ts';
import type { Home } from '../../src/node/membership/home.ts';
import { openRevocationBook } from '../../src/node/membership/revocation-file.ts';
import { codeOf } from '../../src/protocol/base/errors.ts';
import { encodeBundle } from '../../src/protocol/documents/index.ts';
import type { RunSource } from '../../src/protocol/sessions/run-verifier.ts';
import { logInMemory, takeTrusted } from '../../src/watcher/node/hook-evidence.ts';
import { quorate } from '../cli/support.ts';
import { loopbackMesh } from '../support/mesh.ts';
import { project } from '../support/project.ts';
import type { Case } from './bundles.ts';
import { answerOf, listOf } from './consumers.ts';
import type { Answer } from './table.ts';

/** A member of the project, on a socket, with the evidence of the case and what is known of its key. */
async function member(given: Case): Promise<Mesh> {
  const mesh = await loopbackMesh();
  const text = encodeBundle(given.real.bundle);
  serveBundles(mesh, { get: async () => text, size: async () => text.length });
  serveRevocations(mesh, { page: () => listOf(given), evidence: () => [], checkpoint: () => undefined });
  mesh.joinProject(project);
  return mesh;
}

interface Around {
  given: Case;
  peer: { id: string; addrs: string[] };
  /** A home folder that knows nothing. */
  dir: string;
}

/** Thrown where a party would go on to the files: by then it has decided. */
class Accepted extends Error {}

const signal = () => AbortSignal.timeout(120_000);

async function fetching({ given: { real }, peer, dir }: Around): Promise<Answer> {
  await fetchArtifact({
    project,
    artifact: real.cid,
    bootstrap: peer.addrs,
    controllers: [peer],
    dest: join(dir, 'tool'),
    revocations: await openRevocationBook(dir, project),
    signal: signal(),
    onProgress: () => {},
    accept: () => {
      throw new Accepted();
    },
  });
  return 'went on to the files';
}

async function hook({ given: { real }, peer, dir }: Around): Promise<Answer> {
  const membership = { bootstrap: peer.addrs, controllers: [peer] };
  await takeTrusted({
    home: { dir, membership: async () => membership } as unknown as Home,
    project,
    dir,
    signal: signal(),
    // That is asked once the files are here.
    log: { source: {} as RunSource, copy: logInMemory() },
    run: { run: real.request.id, ref: real.request.payload.ref, artifact: real.cid },
    accept: () => {
      throw new Accepted();
    },
  });
  return 'went on to the files';
}

async function online({ given: { real }, peer, dir }: Around): Promise<Answer> {
  const args = ['verify', real.tool, '--bundle', real.bundleFile, '--project', project, '--json', '--online'];
  const { out } = await quorate([...args, ...peer.addrs.flatMap((addr) => ['--bootstrap', addr])], {
    env: { QUORATE_HOME: dir },
  });
  return answerOf(JSON.parse(out.trim().split('\n').at(-1) ?? '{}'));
}

/** Parties that ask others, by name. */
export const askers: Record<'fetch' | 'on' | 'verify --online', (around: Around) => Promise<Answer>> = {
  fetch: fetching,
  on: hook,
  'verify --online': online,
};

export async function askOnline(party: keyof typeof askers, given: Case): Promise<Answer> {
  const dir = await mkdtemp(join(tmpdir(), 'quorate-keys-'));
  const mesh = await member(given);
  const peer = { id: mesh.id, addrs: mesh.addresses() };
  try {
    return await askers[party]({ given, peer, dir });
  } catch (error) {
    if (error instanceof Accepted) return 'accepted';
    if (error instanceof NotTrusted) return answerOf(error.verification);
    return codeOf(error);
  } finally {
    await mesh.close();
    await rm(dir, { recursive: true, force: true });
  }
}
