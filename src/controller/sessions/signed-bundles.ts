import { codeOf } from '../../protocol/base/errors.ts';
import { claimedStatementId, decodeBundle, idOf, signatureOf } from '../../protocol/documents/index.ts';
import { openLinesOf } from '../../protocol/transparency/index.ts';
import { verifyBundle } from '../../protocol/trust/index.ts';
import { isLostInRestore } from '../machine/facts.ts';
import { revocationsIn } from '../machine/members/revocations.ts';
import { draftOf } from '../machine/queries/draft.ts';
import { provingRun } from '../machine/queries/summary.ts';
import { cosignatureFlaw } from './cosignature.ts';
import type { SharedPorts } from './shared.ts';

/**
 * Takes what a trusted worker's bundle has and the journal, an older copy, has not: the signature that a draft waits for, or the bundle of
 * a run that was lost, to serve it.
 */
export async function takeSigned(
  ports: SharedPorts,
  worker: string,
  run: string,
  text: string,
): Promise<void> {
  try {
    if (draftOf(ports.machine.state, run) === undefined) await keepLost(ports, run, text);
    else await takeSignature(ports, worker, run, text);
  } catch (error) {
    ports.tell('warn', 'signed', `the bundle that a trusted worker keeps does not hold: ${codeOf(error)}`, {
      run,
      worker,
    });
  }
}

async function takeSignature(ports: SharedPorts, worker: string, run: string, text: string): Promise<void> {
  const draft = draftOf(ports.machine.state, run);
  const { verdict: signed, checkpoint } = decodeBundle(text);
  const signature = signatureOf(signed, worker);
  const [line] = await openLinesOf(checkpoint, [worker], ports.signing.documents.verifier);
  if (draft === undefined || signature === undefined || line === undefined) return;
  const verdict = idOf(draft.verdict);
  // It was drafted again since, under another charter.
  if (claimedStatementId(signed) !== verdict) return;
  const given = { worker, signature, witness: line.line };
  const flaw = await cosignatureFlaw(ports, { verdict: draft.verdict, ...draft.checkpoint }, given);
  if (flaw === undefined) await ports.dispatch({ kind: 'cosigned', run, verdict, ...given });
}

async function keepLost(ports: SharedPorts, run: string, text: string): Promise<void> {
  const { machine, bundles, dispatch } = ports;
  const { state } = machine;
  const isLost = () => {
    const known = state.index.get(run);
    return known !== undefined && isLostInRestore(known);
  };
  if (!isLost() || (await bundles.get(run)) === text) return;
  const proven = await provenBy(ports, run, text, async ({ artifact }) => {
    if (!isLost()) return;
    const other = artifact === null ? undefined : provingRun(state, artifact);
    const names = other === undefined || other.id === run ? artifact : null;
    await bundles.put({ run, job: null, artifact: names }, text);
  });
  if (proven !== null) await dispatch({ kind: 'given-back', run, bundle: { tree: proven.artifact } });
}

interface Proven {
  artifact: string | null;
}

/**
 * Facts of a bundle that proves the run to be trusted, as revocations are when this returns; null for another one. `keep` is called with
 * them before, and again where a revocation came meanwhile.
 */
async function provenBy(
  { machine, project, signing }: SharedPorts,
  run: string,
  text: string,
  keep?: (proven: Proven) => Promise<void>,
): Promise<Proven | null> {
  for (;;) {
    const revocations = revocationsIn(machine.state);
    const expected = { project, revocations };
    const { ok, level, facts } = await verifyBundle(decodeBundle(text), expected, signing.documents.verifier);
    if (!ok || level !== 'trusted' || facts?.request !== run) return null;
    await keep?.(facts);
    if (revocationsIn(machine.state) === revocations) return facts;
  }
}

/** Tells lists which runs that a restore lost have a trusted bundle: those of a life before, and after each revocation. */
export async function tellGivenBack(ports: SharedPorts): Promise<void> {
  const { clock, machine, bundles, dispatch } = ports;
  const { index, presence, recovered } = machine.state;
  if (!recovered) return;
  for (const { id: run } of [...index.latest()].filter(isLostInRestore)) {
    const isTold = presence.givenBack.has(run);
    const text = await bundles.get(run);
    const proven = text === undefined ? null : await provenBy(ports, run, text).catch(() => null);
    if (clock.closing) return;
    // Meanwhile a trusted worker may have given it back.
    if (proven !== null || isTold)
      await dispatch({ kind: 'given-back', run, bundle: proven && { tree: proven.artifact } });
  }
}
