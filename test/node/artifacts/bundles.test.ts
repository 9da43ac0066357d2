import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bundles, openBundles } from '../../../src/node/artifacts/bundles.ts';
import { encodeBundle } from '../../../src/protocol/documents/index.ts';
import { makeProject } from '../../support/project.ts';

let dir: string;
let bundles: Bundles;
let trusted: string;
let agreed: string;
let artifact: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'quorate-bundles-'));
  bundles = openBundles(join(dir, 'bundles'));
  const project = await makeProject();
  trusted = encodeBundle(project.bundle);
  artifact = project.artifact ?? '';
  const envelope = JSON.parse(project.bundle.verdict);
  const payload = JSON.parse(Buffer.from(envelope.payload, 'base64').toString());
  payload.predicate.quorate_verdict.level = 'agreed';
  envelope.payload = Buffer.from(JSON.stringify(payload)).toString('base64');
  agreed = encodeBundle({ ...project.bundle, verdict: JSON.stringify(envelope) });
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const run = (n: number) => String(n).repeat(64);
const job = 'baguqeerajobjobjob';

describe('bundles of one artifact', () => {
  it('get better: trusted takes the place of agreed', async () => {
    await bundles.put({ run: run(1), job, artifact }, agreed);
    await bundles.put({ run: run(2), job, artifact }, trusted);
    expect(await bundles.get(artifact)).toBe(trusted);
  });

  it('never get worse: a later request that only agrees leaves the proof there is', async () => {
    await bundles.put({ run: run(3), job, artifact }, agreed);
    expect(await bundles.get(artifact)).toBe(trusted);
    expect(await bundles.get(run(3))).toBe(agreed);
  });

  it.each([
    ['empty', ''],
    ['of other bytes', 'no bundle'],
    ['cut in half', undefined],
  ])('that are damaged on disk are named, with what mends them: %s', async (_, text) => {
    await bundles.put({ run: run(4), job, artifact: null }, agreed);
    const file = join(dir, 'bundles', `${run(4)}.json`);
    await writeFile(file, text ?? agreed.slice(0, agreed.length / 2));
    await expect(bundles.get(run(4))).rejects.toMatchObject({
      code: 'HOME_DAMAGED',
      message: expect.stringContaining(file),
      hint: expect.any(String),
    });
    await bundles.put({ run: run(4), job, artifact: null }, agreed);
    expect(await bundles.get(run(4))).toBe(agreed);
  });

  it('are gone once the artifact is contradicted', async () => {
    await bundles.drop(artifact);
    expect(await bundles.get(artifact)).toBeUndefined();
    expect(await bundles.artifacts()).toEqual([]);
  });

  it('are asked for by plain ids only', async () => {
    expect(await bundles.get('../../etc/passwd')).toBeUndefined();
    expect(await bundles.has('../bundles')).toBe(false);
  });
});

it('the bundle of a run goes under the names of run and job, and stays under that of an artifact', async () => {
  const own = openBundles(join(dir, 'of a run'));
  await own.dropRun(run(1));
  // Files of other names stay.
  await mkdir(join(dir, 'of a run'));
  await writeFile(join(dir, 'of a run', '.json'), '');
  await own.dropRun(run(1));
  await own.dropArtifact(artifact);
  expect([...(await own.names())]).toEqual(['']);
  await rm(join(dir, 'of a run', '.json'));
  const job = String(
    JSON.parse(Buffer.from(JSON.parse(JSON.parse(trusted).verdict).payload, 'base64').toString()).predicate
      .quorate_verdict.job,
  );
  await own.put({ run: run(1), job, artifact }, trusted);
  await own.put({ run: run(2), job, artifact: null }, agreed);
  // The job has a later one by now.
  await own.dropRun(run(1));
  expect([...(await own.names())].sort()).toEqual([artifact, job, run(2)].sort());
  await own.dropRun(run(2));
  expect([...(await own.names())]).toEqual([artifact]);
});
