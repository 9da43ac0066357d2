import { toUtf8 } from '../../base/text.ts';
import { type OwnBundle, sha256Hex, type Verifier } from '../../documents/index.ts';
import { enforce } from '../../judge/index.ts';
import type { LogView } from '../log-view.ts';
import type { Revoked } from '../revocations.ts';
import type { Expected, Opened } from './context.ts';
import { factsOf } from './documents.ts';
import { type Checked, type InputEvidence, type Of, restsOn } from './inputs.ts';
import { rereadLog } from './log.ts';

/** The bundle of an input that held, and the evidence that it held with, of each request that it rests on. */
interface HeldInput {
  checked: Checked;
  restsOn: readonly (Checked | undefined)[];
}

interface Verifying {
  bundle: OwnBundle;
  of: Of;
  expected: Pick<Expected, 'project' | 'revocations'>;
  verifier: Verifier;
  evidence: InputEvidence;
  log: LogView | undefined;
}

/**
 * The result of `verify` for an input's bundle, from memory where the same text held for the same project, under the same revocations,
 * resting on the same evidence. Leaves of the log are compared each time.
 */
export async function checkInputOnce(
  { bundle, of, expected, verifier, evidence, log }: Verifying,
  verify: () => Promise<Checked>,
): Promise<Checked> {
  const { bundles } = verifier;
  if (bundles === undefined) return verify();
  const { project, revocations = [] } = expected;
  const text = JSON.stringify([of, project, digestOf(revocations), bundle]);
  const held = bundles.get('input', text) as HeldInput | undefined;
  if (held !== undefined && (await stillHolds(held, of, evidence, log))) return held.checked;
  const checked = await verify();
  if (checked.proven !== undefined) {
    const restsOn = await evidenceFor(checked.proven.opened, of, evidence);
    bundles.put('input', text, { checked, restsOn } satisfies HeldInput);
  }
  return checked;
}

/** Digest by list of revocations: ten thousand of them may be verified against for a hundred inputs. */
const digests = new WeakMap<readonly Revoked[], string>();

function digestOf(revocations: readonly Revoked[]): string {
  const known = digests.get(revocations);
  if (known !== undefined) return known;
  const digest = sha256Hex(toUtf8(JSON.stringify(revocations)));
  digests.set(revocations, digest);
  return digest;
}

async function stillHolds(
  { checked: { proven }, restsOn }: HeldInput,
  of: Of,
  evidence: InputEvidence,
  log: LogView | undefined,
): Promise<boolean> {
  if (proven === undefined) return false;
  const { opened, logged } = proven;
  const now = await evidenceFor(opened, of, evidence);
  if (now.some((checked, at) => checked !== restsOn[at])) return false;
  try {
    if (log !== undefined) rereadLog({ check: enforce }, opened, logged, log);
    return true;
  } catch {
    // Verified again, it says at which step.
    return false;
  }
}

/** The evidence that was asked for when a bundle was verified. */
function evidenceFor(
  { request, verdict }: Opened,
  of: Of,
  evidence: InputEvidence,
): Promise<(Checked | undefined)[]> {
  return restsOn(of === 'input' ? request.payload : {}, factsOf(verdict).earlier?.request, evidence);
}
