import { expect, it } from 'vitest';
import type { WorkerContext } from '../../../src/runtime/worker/context.ts';
import { WorkerInputs } from '../../../src/runtime/worker/inputs.ts';
import { makeJob, testKey } from '../../support/documents.ts';

/** A worker whose controllers have no evidence of anything. */
const worker = () =>
  new WorkerInputs({
    credentials: { membership: { project: testKey('root').id, controllers: [] } },
    revocations: () => [],
  } as unknown as WorkerContext);

const reading = { signal: new AbortController().signal, say: () => {} };
const need = { request: 'a'.repeat(64), level: 'trusted' as const };

it('a job that only waits for a test is not built without the evidence of that test', async () => {
  const needs = { test: { ...need, gate: true as const } };
  const opened = worker().open('lease', { ...reading, job: makeJob(), needs });
  await expect(opened).rejects.toMatchObject({ code: 'INPUT_EVIDENCE_MISSING' });
});

it('control: a job that needs nothing is built without any', async () => {
  const { inputs } = await worker().open('lease', { ...reading, job: makeJob(), needs: {} });
  expect(inputs).toEqual([]);
});
