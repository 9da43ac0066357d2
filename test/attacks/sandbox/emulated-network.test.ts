import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import type { Sandbox, SandboxImage } from '../../../sandbox/index.ts';
import { toolImage } from '../../sandbox/vm/image.ts';
import { emulatedWith } from '../../sandbox/vm/support.ts';
import { networkAttacks } from './network.ts';
import { sandboxWith } from './support.ts';

const folder = mkdtempSync(join(tmpdir(), 'quorate-image-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const image: SandboxImage = await toolImage(folder);

/** No guard alone puts a build in a machine into the network of the host: the control is a build beside it, without any. */
function onHost(stateDir: string): Sandbox {
  const open = sandboxWith(stateDir, { network: () => [] });
  const { tier, hostImage, profile, unpinned } = open;
  return { tier, hostImage, profile, unpinned, run: (job, io) => open.run({ ...job, image: 'host' }, io) };
}

networkAttacks({
  open: async (stateDir) => emulatedWith(stateDir),
  openToHost: async (stateDir) => onHost(stateDir),
  slowToConnect: 'its guest starts a process for each, which takes a twentieth of a second when emulated',
  more: { image },
});
