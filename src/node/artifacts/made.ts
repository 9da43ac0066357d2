import { assert, QuorateError } from '../../protocol/base/errors.ts';
import { toUtf8 } from '../../protocol/base/text.ts';
import { type Bundle, decodeJob } from '../../protocol/documents/index.ts';
import { type Made, nothingBuilt } from '../../protocol/interop/index.ts';
import { atLeast, type Level, type Verification } from '../../protocol/trust/index.ts';
import { fetchIndex, readIndexFile } from './dependency-index.ts';
import { connectReachable, type FindOptions, NotTrusted, withEvidence } from './fetch.ts';

/** Materials of an artifact, with the level of its evidence: `provisional` at least. */
export interface VerifiedMade extends Made {
  level: Level;
}

/**
 * Materials of the artifact of a bundle; the index of dependencies comes from a file.
 * @throws `NOT_TRUSTED` and `ARTIFACT_OF_TEST` (a `NotTrusted`), EXPORT_NOTHING_BUILT, DEPENDENCY_INDEX_MISSING, DEPENDENCY_INDEX_MISMATCH
 */
export async function madeOf(
  bundle: Bundle,
  verification: Verification,
  project: string,
  { file, signal }: { file: Uint8Array | undefined; signal: AbortSignal },
): Promise<VerifiedMade> {
  const made = jobOf(bundle, verification, project);
  const { dependencies } = made.job;
  if (dependencies === undefined) return { ...made, index: undefined };
  if (file === undefined)
    throw new QuorateError(
      'DEPENDENCY_INDEX_MISSING',
      `what the job depends on stands in the index of ${dependencies.tree}, which is not in the bundle`,
      { hint: 'Name the file that fetch --index-out wrote: --index <file>' },
    );
  return { ...made, index: (await readIndexFile(file, dependencies.tree, signal)).index };
}

/**
 * Finds the evidence of an artifact in the mesh, verifies it, and says what it was made from. The index of dependencies comes from the
 * peers, where it is in no file.
 * @throws as `madeOf`, ARTIFACT_NOT_FOUND, DEPENDENCIES_UNAVAILABLE, `MESH_…`, `STORE_…`
 */
export function fetchMade(
  artifact: string,
  options: FindOptions,
  file: Uint8Array | undefined,
): Promise<VerifiedMade> {
  const { project, signal, onProgress } = options;
  return withEvidence(artifact, artifact, options, async ({ bundle, verification, peers }, mesh, store) => {
    const made = jobOf(bundle, verification, project);
    if (made.job.dependencies === undefined || file !== undefined)
      return madeOf(bundle, verification, project, { file, signal });
    onProgress({ phase: 'fetching', says: 'fetching the index of the dependencies' });
    const from = await connectReachable(mesh, peers);
    const { index } = await fetchIndex({ mesh, store }, made.job.dependencies.tree, { from, signal });
    return { ...made, index };
  });
}

function jobOf(bundle: Bundle, verification: Verification, project: string): Omit<VerifiedMade, 'index'> {
  const { ok, level, facts } = verification;
  if (ok && facts?.kind === 'test')
    throw new QuorateError(
      'ARTIFACT_OF_TEST',
      `the evidence is about the test "${facts.name}": what it put out are reports, and never an artifact`,
      { hint: 'Take the artifact of a job that builds it: quorate jobs lists them.' },
    );
  if (ok && facts?.artifact === null) throw nothingBuilt('the verdict is about no artifact');
  if (!ok || facts === null || !atLeast(level, 'provisional'))
    throw new NotTrusted(facts?.artifact ?? 'the artifact', verification);
  const { job, id } = decodeJob(toUtf8(bundle.job));
  assert(id === facts.job, 'the job of a verified bundle is that of its facts');
  return { project, facts, job, level };
}
