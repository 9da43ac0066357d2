import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Sandbox, SandboxImage, Steering } from '../../sandbox/index.ts';
import { aBuild } from './contract/build.ts';
import { endsFromOutside } from './contract/ends.ts';
import type { Ground } from './contract/ground.ts';
import { limitsHold } from './contract/limits.ts';
import { whatBuildsSee } from './contract/sees.ts';
import { differences } from './differences.ts';
import { exited, MiB, play as playOn, tarOf, tempFolder } from './support.ts';

export interface ContractOptions {
  /** Of a tier that cannot run the host's own system. Has what the tests call. */
  image?: (folder: string) => Promise<SandboxImage>;
  /** Only that a build's limits and its end are as they should, or only all the rest: for a tier that takes minutes. */
  part?: 'limits' | 'rest';
}

/** The contract of every tier, whatever it is made of. */
export function sandboxContract(
  open: (stateDir: string) => Promise<Sandbox & Steering>,
  { image: makeImage, part }: ContractOptions = {},
): void {
  let folder: Awaited<ReturnType<typeof tempFolder>>;
  let sandbox: Sandbox & Steering;
  let image: 'host' | SandboxImage = 'host';
  const play = (run: string[], options: Parameters<typeof playOn>[2] = {}) =>
    playOn(sandbox, run, { image, ...options });

  const ground: Ground = {
    play,
    get sandbox() {
      return sandbox;
    },
    get folder() {
      return folder.path;
    },
  };

  beforeAll(async () => {
    folder = await tempFolder();
    if (makeImage !== undefined) image = await makeImage(folder.path);
    sandbox = await open(folder.path);
  });
  afterAll(() => folder?.remove());

  if (part !== 'rest') {
    limitsHold(ground);
    endsFromOutside(ground);
  }
  if (part === 'limits') return;

  aBuild(ground);
  whatBuildsSee(ground);
  it('refuses a job that cannot be run as meant', async () => {
    const bad: Parameters<typeof playOn>[2][] = [
      { env: { 'A=B': 'x' } },
      { env: { A: 'a\0b' } },
      { outputs: ['../x'] },
      { outputs: ['/etc/passwd'] },
      { inputs: [{ name: '../x', tar: tarOf([]) }] },
      { limits: { seconds: 0 } },
      { variation: { umask: '077; id' } },
      { limits: { memoryBytes: Number.POSITIVE_INFINITY } },
    ];
    for (const job of bad) {
      await expect(play(['true'], job)).rejects.toMatchObject({ code: 'SANDBOX_JOB_INVALID' });
    }
  });

  describe('differences of tiers', () => {
    it.each(differences)('$what', async ({ step, in: tiers }) => {
      const found = tiers[sandbox.tier];
      if (found === undefined) return;
      const ran = await play([step]);
      expect(ran.outcome).toEqual(exited(0));
      expect(ran.log).toMatch(found.finds);
    });
  });

  it('runs jobs side by side', async () => {
    const all = await Promise.all([1, 2, 3, 4].map((n) => play([`sleep 0.1; exit ${n}`])));
    expect(all.map(({ outcome }) => outcome)).toEqual([1, 2, 3, 4].map(exited));
  });

  it('moves 20 MB in and out through a slow reader', async () => {
    const content = 'quorate\n'.repeat((20 * MiB) / 8);
    let bytes = 0;
    const ran = await play(['cp big $OUT/'], {
      source: tarOf([{ name: 'big', content }]),
      outputs: ['big'],
      limits: { diskBytes: 64 * MiB },
      onOutputs: async (tar) => {
        for await (const chunk of tar as AsyncIterable<Uint8Array>) {
          if (bytes % (4 * MiB) < 65_536) await new Promise((resolve) => setTimeout(resolve, 2));
          bytes += chunk.byteLength;
        }
      },
    });
    expect(ran.outcome).toEqual(exited(0));
    expect(bytes).toBeGreaterThan(content.length);
  });
}
