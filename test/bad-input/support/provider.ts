import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { generateSeed } from '../../../src/identity/keys.ts';
import { type Mesh, openMesh } from '../../../src/mesh/index.ts';
import { openBundles, serveBundles } from '../../../src/node/artifacts/bundles.ts';
import { encodeBundle } from '../../../src/protocol/documents/index.ts';
import { protocols } from '../../../src/protocol/wire/protocols.ts';
import { openStore } from '../../../src/store/index.ts';
import { messageBytesMax, serveTrees } from '../../../src/transfer/index.ts';
import { until } from '../../e2e/support/wait.ts';
import { makeProject, project } from '../../support/project.ts';

export interface Provided {
  artifact: string;
  /** Arguments of `quorate fetch` that lead to it. */
  where: string[];
}

/**
 * A bootstrap node and a volunteer with a trusted artifact of `bytes` bytes, gone with the test. After `stallAt` bytes
 * it sends nothing more, and keeps the stream open; after `spoilAt` it sends other bytes than it has.
 */
export async function provider(
  dir: string,
  bytes: number,
  {
    stallAt = Number.POSITIVE_INFINITY,
    spoilAt = Number.POSITIVE_INFINITY,
  }: { stallAt?: number; spoilAt?: number } = {},
): Promise<Provided> {
  const listen = ['/ip4/127.0.0.1/tcp/0'];
  const open = async (role: 'bootstrap' | 'node', bootstrap: string[]): Promise<Mesh> => {
    const mesh = await openMesh({ key: generateSeed(), listen, bootstrap, topics: [], role });
    onTestFinished(() => mesh.close());
    return mesh;
  };
  const bootstrap = (await open('bootstrap', [])).addresses();
  const mesh = await open('node', bootstrap);
  const store = await openStore({ dir: join(dir, 'store'), libp2p: mesh.libp2p });
  onTestFinished(() => store.close());

  const source = join(dir, 'source');
  await mkdir(join(source, 'data'), { recursive: true });
  await writeFile(join(source, 'readme'), 'built by three\n');
  await writeFile(join(source, 'data', 'noise'), randomBytes(bytes));
  const { root: artifact } = await store.importDirectory(source, { into: store.public });
  const outcome = { kind: 'exit', code: 0, artifact } as const;
  const runs = ['ada', 'bob', 'cyd'].map((operator) => ({ operator, outcome }));
  const made = await makeProject({ runs, own: { operator: 'owner', outcome } });

  const bundles = openBundles(join(dir, 'bundles'));
  await bundles.put({ run: made.request.id, job: made.jobId, artifact }, encodeBundle(made.bundle));
  serveBundles(mesh, bundles);
  mesh.handle(
    protocols.car,
    (channel) => {
      let sent = 0;
      const slow = {
        receive: channel.receive.bind(channel),
        close: channel.close.bind(channel),
        abort: channel.abort.bind(channel),
        send: (message: Uint8Array) => {
          sent += message.length;
          if (sent > stallAt) return new Promise<void>(() => {});
          return channel.send(sent > spoilAt ? message.map((byte) => byte ^ 1) : message);
        },
      };
      return serveTrees(slow, store.blocks);
    },
    { maxInboundStreams: 8, maxMessageBytes: messageBytesMax },
  );
  await until('somebody to take the announcement', async () =>
    mesh.provide(artifact).then(
      () => true,
      () => false,
    ),
  );
  return { artifact, where: ['--project', project, '--bootstrap', bootstrap[0] ?? ''] };
}
