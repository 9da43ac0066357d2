import { publishedParts } from '../../controller/draft.ts';
import { decodeBundle, type OwnBundle } from '../../documents/index.ts';
import { QuorateError } from '../../errors.ts';
import { ownBundle } from './bundle.ts';
import type { CheckpointRounds } from './checkpoint-rounds.ts';
import type { ControllerPorts } from './ports.ts';
import { signerOf } from './signers.ts';

/**
 * The bundles of these runs, as they are published now, without those of what they read: made of their documents, or as they
 * are stored where the machine has let these go. Errors: `INPUT_EVIDENCE_MISSING`, `DOC_…`, `CONTROLLER_KEY_MISSING`.
 */
export async function evidenceOf(
  ports: Pick<ControllerPorts, 'machine' | 'bundles' | 'lost' | 'project' | 'signing' | 'retired'>,
  checkpoints: Pick<CheckpointRounds, 'keep'>,
  runs: readonly string[],
): Promise<OwnBundle[]> {
  const found: OwnBundle[] = [];
  for (const run of runs) {
    const parts = publishedParts(ports.machine.state, run) ?? (await ports.lost.draft(run));
    if (parts !== undefined) {
      await checkpoints.keep(parts.checkpoint.size);
      found.push(await ownBundle(parts, ports.project, signerOf(ports, parts.controller)));
      continue;
    }
    const stored = await ports.bundles.get(run);
    if (stored === undefined)
      throw new QuorateError(
        'INPUT_EVIDENCE_MISSING',
        `there is no bundle of ${run}, whose artifact is read`,
      );
    const { inputs: _, ...own } = decodeBundle(stored);
    found.push(own);
  }
  return found;
}
