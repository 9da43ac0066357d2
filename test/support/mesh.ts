import { randomBytes } from 'node:crypto';
import { type Mesh, openMesh } from '../../src/mesh/index.ts';

/** A node of its own on the loopback, which knows nobody. */
export const loopbackMesh = (key: Uint8Array = randomBytes(32)): Promise<Mesh> =>
  openMesh({
    key,
    listen: ['/ip4/127.0.0.1/tcp/0'],
    bootstrap: [],
    topics: [],
    role: 'node',
  });
