import { decodeBundle, decodeJob } from '../../core/documents/index.ts';
import { jsonPage } from '../../core/escape.ts';
import { makeBom } from '../../core/interop/index.ts';
import type { StoredBundles } from '../../core/sessions/bundle-exchange.ts';
import { toUtf8 } from '../../core/text.ts';
import { verifyBundle } from '../../core/trust/index.ts';
import type { Revoked } from '../../core/trust/revocations.ts';
import { joseVerifier } from '../../identity/verifier.ts';
import type { Store } from '../../store/index.ts';
import { provenIndex } from '../artifacts/dependency-index.ts';
import { madeOf } from '../artifacts/made.ts';

const msMax = 30_000;

export interface SbomPorts {
  project: string;
  bundles: Pick<StoredBundles, 'get'>;
  store: Store;
  revocations(): readonly Revoked[];
  /** The version of Quorate. */
  version: string;
}

/**
 * The materials of an artifact, as CycloneDX in JSON: of its stored bundle, verified, and of the index of dependencies that is in the
 * store. Undefined where there is no bundle. Errors: as `madeOf`, `STORE_…`, `BUNDLE_DAMAGED`.
 */
export async function sbomOf(artifact: string, ports: SbomPorts): Promise<string | undefined> {
  const { project, bundles, store, version } = ports;
  const text = await bundles.get(artifact);
  if (text === undefined) return undefined;
  const bundle = decodeBundle(text);
  const signal = AbortSignal.timeout(msMax);
  const revocations = ports.revocations();
  const verification = await verifyBundle(bundle, { project, revocations }, joseVerifier);
  const { dependencies } = decodeJob(toUtf8(bundle.job)).job;
  const file = dependencies && (await provenIndex(store, dependencies.tree, signal)).car;
  const made = await madeOf(bundle, verification, project, { file, signal });
  return jsonPage(makeBom({ ...made, tool: version }));
}
