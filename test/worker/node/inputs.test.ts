import { describe, expect, it, vi } from 'vitest';
import type { Mesh } from '../../../src/mesh/index.ts';
import { serveBundles } from '../../../src/node/artifacts/bundles.ts';
import { serveArtifacts } from '../../../src/node/artifacts/transfer.ts';
import { QuorateError } from '../../../src/protocol/base/errors.ts';
import { encodeBundle, type Outcome } from '../../../src/protocol/documents/index.ts';
import type { Revoked } from '../../../src/protocol/trust/revocations.ts';
import type { WorkerContext } from '../../../src/worker/node/context.ts';
import { isInputPin, openInputs } from '../../../src/worker/node/inputs.ts';
import { store } from '../../store/support.ts';
import { cidOf } from '../../support/documents.ts';
import { makeJob, makeProject, project } from '../../support/project.ts';
import { importInto, node, small } from '../../transfer/support.ts';

const reading = { signal: new AbortController().signal, say: () => {} };

/** A worker of a project with these controllers. `revocations`: what it knows, each time that it is asked. */
async function worker(controllers: readonly Mesh[], revocations: () => readonly Revoked[] = () => []) {
  const [mesh, own] = [await node(), await store()];
  const membership = {
    project,
    controllers: controllers.map((one) => ({ id: one.id, addrs: one.addresses() })),
  };
  const context = { credentials: { membership }, mesh, store: own, revocations };
  const pins = async () => (await own.pins()).flatMap(({ names }) => names.filter(isInputPin));
  const inputs = {
    open: (lease: string, of: Parameters<typeof openInputs>[2]) =>
      openInputs(context as unknown as WorkerContext, lease, of),
  };
  return { inputs, pins, store: own };
}

/** A controller with the evidence of a library that a job reads, and with the library itself, if it still serves it. */
async function library({ served }: { served: boolean }) {
  const [mesh, own] = [await node(), await store()];
  const artifact = await importInto(own, small(3));
  const outcome: Outcome = { kind: 'exit', code: 0, artifact };
  const lib = await makeProject({
    job: { name: 'lib' },
    runs: ['ada', 'bob', 'cyd'].map((operator) => ({ operator, outcome })),
    own: { operator: 'owner', outcome },
  });
  const text = encodeBundle(lib.bundle);
  serveBundles(mesh, { get: async () => text, size: async () => text.length });
  if (served) serveArtifacts({ mesh, store: own });
  const needs = { lib: { request: lib.request.id, level: 'trusted' as const } };
  return { mesh, lib, order: { ...reading, reads: { needs }, job: makeJob({ inputs: { lib: artifact } }) } };
}

const need = { request: 'a'.repeat(64), level: 'trusted' as const };

describe('an input of a job', () => {
  it('is fetched once its evidence holds, and kept until the build is over', async () => {
    const { mesh, lib, order } = await library({ served: true });
    const { inputs, pins } = await worker([mesh]);
    const opened = await inputs.open('lease', order);
    expect(opened.inputs).toEqual([{ name: 'lib', cid: lib.artifact }]);
    expect(await pins()).toHaveLength(1);
    await opened.close();
    expect(await pins()).toEqual([]);
  });

  it('that is not served any more is INPUT_UNAVAILABLE, and so is its evidence', async () => {
    const { mesh, order } = await library({ served: false });
    const { inputs, pins } = await worker([mesh]);
    await expect(inputs.open('lease', order)).rejects.toMatchObject({ code: 'INPUT_UNAVAILABLE' });
    expect(await pins()).toEqual([]);
    const away = await node();
    await away.close();
    const lonely = await worker([away]);
    await expect(lonely.inputs.open('lease', order)).rejects.toMatchObject({ code: 'INPUT_UNAVAILABLE' });
  });

  it('that is revoked while it is fetched is not mounted; control: it is, where nothing was revoked', async () => {
    const { mesh, lib, order } = await library({ served: true });
    const revoked: Revoked = { what: { kind: 'job', id: lib.jobId }, since: 0, reason: 'bad', byRoot: true };
    let fetching = false;
    const say = () => {
      fetching = true;
    };
    const { inputs, pins } = await worker([mesh], () => (fetching ? [revoked] : []));
    await expect(inputs.open('lease', { ...order, say })).rejects.toMatchObject({
      code: 'INPUT_NOT_VERIFIED',
      message: expect.stringContaining('bad'),
    });
    expect(await pins()).toEqual([]);
    const calm = await worker([mesh]);
    await expect(calm.inputs.open('lease', { ...order, say })).resolves.toBeTruthy();
  });
});

it('a full disk is told apart from inputs that are not there, and so is a build that was cancelled', async () => {
  const { mesh, order } = await library({ served: true });
  const { inputs, store: own } = await worker([mesh]);
  vi.spyOn(own, 'has').mockRejectedValue(new QuorateError('STORE_DISK_FULL', 'full'));
  await expect(inputs.open('lease', order)).rejects.toMatchObject({ code: 'STORE_DISK_FULL' });
  vi.spyOn(own, 'unpin').mockRejectedValueOnce(new Error('a bad disk'));
  await expect(inputs.open('lease', order)).rejects.toMatchObject({ code: 'STORE_DISK_FULL' });
  const stop = new AbortController();
  const reason = new Error('cancelled');
  vi.spyOn(own, 'has').mockImplementation(async () => {
    stop.abort(reason);
    throw new Error('no answer');
  });
  await expect(inputs.open('lease', { ...order, signal: stop.signal })).rejects.toBe(reason);
  // While its evidence is asked for as well.
  await expect(inputs.open('lease', { ...order, signal: stop.signal })).rejects.toBe(reason);
});

it('a job that only waits for a test is not built without the evidence of that test', async () => {
  const needs = { test: { ...need, gate: true as const } };
  const { inputs } = await worker([]);
  const opened = inputs.open('lease', { ...reading, job: makeJob(), reads: { needs } });
  await expect(opened).rejects.toMatchObject({ code: 'INPUT_EVIDENCE_MISSING' });
});

it('control: a job that needs nothing is built without any, and nothing is fetched that no request proves', async () => {
  const { inputs, pins } = await worker([]);
  const opened = await inputs.open('lease', { ...reading, job: makeJob(), reads: { needs: {} } });
  expect(opened.inputs).toEqual([]);
  const unproven = makeJob({ inputs: { lib: cidOf('lib') } });
  await inputs.open('lease', { ...reading, job: unproven, reads: { needs: {} } });
  expect(await pins()).toEqual([]);
});
