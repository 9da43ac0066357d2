import { QuorateError } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';
import { isoTime, secondsOfIso } from '../../protocol/base/time.ts';
import { addSignature, signStatement, type Verdict } from '../../protocol/documents/index.ts';
import {
  addWitness,
  formatCheckpoint,
  openCheckpoint,
  signCheckpoint,
} from '../../protocol/transparency/index.ts';
import type { ControllerPorts } from './ports.ts';

interface Cosignature {
  worker: string;
  signature: string;
  /** Its line under the checkpoint. */
  witness: string;
}

/**
 * Checks a co-signature and its witness line; returns why consumers would refuse the time of that line, which may pass.
 * @throws `COSIGN_NO_WITNESS`, those of an invalid signature.
 */
export async function cosignatureFlaw(
  { machine, project, signing, clock }: ControllerPorts,
  { verdict, size, root }: { verdict: Verdict; size: number; root: string },
  { worker, signature, witness }: Cosignature,
): Promise<string | undefined> {
  const { signer, documents } = signing;
  const signed = await signStatement('verdict', verdict, signer);
  await documents.verdict(addSignature(signed.raw, worker, signature));
  const note = await signCheckpoint(formatCheckpoint({ project, size, root }), signer);
  const log = machine.state.charter?.payload.log ?? signer.id;
  const { witnesses } = await openCheckpoint(addWitness(note, witness), { project, log }, documents.verifier);
  const line = witnesses.find((one) => one.witness === worker);
  if (line === undefined)
    throw new QuorateError('COSIGN_NO_WITNESS', 'the co-signature lacks the witness line of its signer');
  const { timeVerified } = verdict.predicate;
  const skew = limits.clockSkewSeconds;
  if (secondsOfIso(timeVerified) <= line.time + skew && line.time <= clock.now() / 1000 + skew)
    return undefined;
  return `the witness line is of ${isoTime(line.time * 1000)}, and the verdict of ${timeVerified}`;
}
