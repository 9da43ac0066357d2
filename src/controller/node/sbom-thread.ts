import { answerAsked } from '../../dependencies/thread/answer.ts';
import { joseVerifier } from '../../identity/verifier.ts';
import { madeOf } from '../../node/artifacts/made.ts';
import { jsonPage } from '../../protocol/base/escape.ts';
import { toUtf8 } from '../../protocol/base/text.ts';
import { decodeBundle, decodeJob } from '../../protocol/documents/index.ts';
import { makeBom } from '../../protocol/interop/index.ts';
import { verifyBundle } from '../../protocol/trust/index.ts';
import type { Revoked } from '../../protocol/trust/revocations.ts';

export interface SbomQuestion {
  bundle: string;
  project: string;
  revocations: readonly Revoked[];
  version: string;
  /** CAR of the index of the dependencies. */
  index?: Uint8Array | undefined;
}

/** The list; or the tree of dependencies whose index is needed for it. */
export type SbomAnswer = { text: string } | { needs: string };

/** Verifies a bundle and lists what its artifact was made from. */
async function list({ bundle: text, project, ...asked }: SbomQuestion): Promise<SbomAnswer> {
  const bundle = decodeBundle(text);
  const { dependencies } = decodeJob(toUtf8(bundle.job)).job;
  if (dependencies !== undefined && asked.index === undefined) return { needs: dependencies.tree };
  const verification = await verifyBundle(bundle, { project, revocations: asked.revocations }, joseVerifier);
  const { signal } = new AbortController();
  const made = await madeOf(bundle, verification, project, { file: asked.index, signal });
  return { text: jsonPage(makeBom({ ...made, tool: asked.version })) };
}

void answerAsked(list);
