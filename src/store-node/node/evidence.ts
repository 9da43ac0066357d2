import { joseVerifier } from '../../identity/verifier.ts';
import type { Mesh, PeerAddress } from '../../mesh/index.ts';
import { fetchBundle } from '../../node/artifacts/bundles.ts';
import { joseDocuments } from '../../node/ports.ts';
import { QuorateError } from '../../protocol/base/errors.ts';
import { toUtf8 } from '../../protocol/base/text.ts';
import { type Bundle, decodeBundle, decodeJob } from '../../protocol/documents/index.ts';
import { countsUncosigned, type Revoked, verifyBundle } from '../../protocol/trust/index.ts';
import type { VerdictHint } from '../sessions/project-watch.ts';
import type { LedgerEntry } from './ledger.ts';
import { storeNodeLimits } from './limits.ts';

/** A verdict whose bundle holds, and what it names besides the tree. */
export type ProvenVerdict = Awaited<ReturnType<typeof proofIn>>;

interface Looking {
  mesh: Mesh;
  project: string;
  revoked: () => readonly Revoked[];
  signal: AbortSignal;
}

/**
 * Asks peers for the bundle of a run until one has one that holds and is about what was told; undefined where nobody has. A bundle that
 * proves less counts for what it proves. @throws the signal's reason
 */
export async function proveVerdict(
  looking: Looking,
  { run, tree }: Pick<VerdictHint, 'run' | 'tree'>,
  peers: readonly PeerAddress[],
): Promise<ProvenVerdict | undefined> {
  const { mesh, signal } = looking;
  let best: ProvenVerdict | undefined;
  for (const peer of peers.slice(0, storeNodeLimits.peersMax)) {
    signal.throwIfAborted();
    const within = AbortSignal.any([signal, AbortSignal.timeout(storeNodeLimits.bundleSecondsMax * 1000)]);
    try {
      const text = await fetchBundle(mesh, peer, run, within);
      if (text === undefined) continue;
      const proven = await proofIn(text, looking);
      if (proven.entry.run !== run || proven.entry.tree !== tree) continue;
      if (proven.entry.level === 'trusted') return proven;
      best ??= proven;
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof QuorateError)) throw error;
    }
  }
  return best;
}

/**
 * The level that a bundle proves under the root key and the known revocations. @throws STORE_UNPROVEN when it does not hold, is below
 * `agreed`, or is about no tree; DOC_…
 */
export async function proofIn(text: string, { project, revoked }: Pick<Looking, 'project' | 'revoked'>) {
  const bundle = decodeBundle(text);
  const { ok, facts, level, steps } = await verifyBundle(
    bundle,
    { project, revocations: [...revoked()] },
    joseVerifier,
  );
  if (!ok || facts === null)
    throw unproven(`the bundle does not hold: ${steps.find((step) => !step.ok)?.says ?? 'no step failed'}`);
  if (level !== 'agreed' && level !== 'trusted') throw unproven(`its level is "${level}"`);
  const { artifact, job, kind, name, ref, repo, request, policy, time } = facts;
  if (artifact === null) throw unproven('it is about no tree');
  const { dependencies } = decodeJob(toUtf8(bundle.job)).job;
  const entry: LedgerEntry = {
    run: request,
    tree: artifact,
    job,
    kind,
    repo,
    ref,
    name,
    level,
    decidedAt: Date.parse(time),
    ...(countsUncosigned(policy, level) && { cosigned: false }),
  };
  return {
    entry,
    text,
    charter: bundle.charter,
    ...(await buildsIn(bundle, artifact)),
    /** The tree of dependencies that the job names. */
    dependencies: dependencies?.tree,
  };
}

/** PeerIds of workers that built this very tree, and the logs of builds by CID, each with who has it: from verified receipts. */
async function buildsIn(bundle: Bundle, tree: string) {
  const builders = new Set<string>();
  const logs: { log: string; worker: string }[] = [];
  for (const { envelope } of bundle.receipts) {
    const { payload, signers } = await joseDocuments.receipt(envelope);
    const [signer = ''] = signers;
    const { log, outcome } = payload.predicate.quorate_receipt;
    if (outcome.kind === 'exit' && outcome.artifact === tree) builders.add(signer);
    if (log !== null) logs.push({ log, worker: signer });
  }
  return { builders: [...builders], logs: logs.slice(0, storeNodeLimits.besideMax - 1) };
}

const unproven = (why: string): QuorateError =>
  new QuorateError('STORE_UNPROVEN', `nothing is pinned for this verdict: ${why}`, {
    hint: 'Nothing is to be done: the store looks at the verdict again when it is told anew.',
  });
