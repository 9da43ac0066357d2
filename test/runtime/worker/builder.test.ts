import { expect, it } from 'vitest';
import type { Sandboxes } from '../../../sandbox/index.ts';
import { Builder } from '../../../src/runtime/worker/builder.ts';
import type { WorkerContext } from '../../../src/runtime/worker/context.ts';
import type { WorkerImages } from '../../../src/runtime/worker/images.ts';

/** The fate of the sandbox that waits while a job of an image is built by another tier than the host's own system, or the same. */
async function builds(isSameTier: boolean): Promise<string[]> {
  const did: string[] = [];
  const tierOf = (name: string) => ({
    tier: name,
    hostImage: name === 'namespace',
    run: async () => {
      did.push(`${name} runs`);
    },
    dismiss: async () => {
      did.push(`${name} dismisses`);
    },
  });
  const [host, other] = [tierOf('namespace'), tierOf('emulated')];
  const sandboxes = { for: (image: string) => (image === 'host' || isSameTier ? host : other) };
  const context = {
    signal: new AbortController().signal,
    credentials: { membership: { controllers: [] } },
    store: { sealed: () => ({}), discard: async () => {}, importBytes: async () => null },
    machine: { leaseOf: () => undefined },
  } as unknown as WorkerContext;
  const builder = new Builder(context, sandboxes as unknown as Sandboxes, {} as WorkerImages);
  // There is nothing to build from: it ends with an outcome that says so.
  const order = { lease: 'l', ref: 'r', reads: {}, job: { image: 'bafy', inputs: {}, limits: {} } };
  await builder.build(order as unknown as Parameters<Builder['build']>[0]);
  return did;
}

it('a sandbox that waits in one tier is gone when a job starts in another', async () => {
  expect(await builds(false)).toEqual(['namespace dismisses']);
});

it('control: in the same tier the job itself decides, by its limits', async () => {
  expect(await builds(true)).toEqual([]);
});
