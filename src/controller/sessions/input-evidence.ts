import { QuorateError } from '../../protocol/base/errors.ts';
import { decodeBundle, type OwnBundle } from '../../protocol/documents/index.ts';
import { publishedParts } from '../machine/queries/draft.ts';
import { ownBundle } from './bundle.ts';
import type { CheckpointRounds } from './checkpoint-rounds.ts';
import type { ControllerPorts } from './ports.ts';
import { signerOf } from './signers.ts';

type Ports = Pick<ControllerPorts, 'machine' | 'bundles' | 'lost' | 'project' | 'signing' | 'retired'>;
type Checkpoints = Pick<CheckpointRounds, 'keep'>;

/** The bundles of these runs, see `ownEvidence`. */
export async function inputEvidenceOf(
  ports: Ports,
  checkpoints: Checkpoints,
  runs: readonly string[],
): Promise<OwnBundle[]> {
  const found: OwnBundle[] = [];
  for (const run of runs) found.push(await ownEvidence(ports, checkpoints, run));
  return found;
}

/**
 * The bundle of a run, as it is published now, without those of what it reads: made of its documents, or as it is stored where the
 * machine has let these go. Errors: `INPUT_EVIDENCE_MISSING`, `DOC_…`, `CONTROLLER_KEY_MISSING`.
 */
export async function ownEvidence(ports: Ports, checkpoints: Checkpoints, run: string): Promise<OwnBundle> {
  const parts = publishedParts(ports.machine.state, run) ?? (await ports.lost.draft(run));
  if (parts !== undefined) {
    await checkpoints.keep(parts.checkpoint.size);
    return ownBundle(parts, ports.project, signerOf(ports, parts.controller));
  }
  const stored = await ports.bundles.get(run);
  if (stored === undefined)
    throw new QuorateError('INPUT_EVIDENCE_MISSING', `there is no bundle of ${run}, whose artifact is read`);
  const { inputs: _, ...own } = decodeBundle(stored);
  return own;
}
