import { toUtf8 } from '../../protocol/base/text.ts';
import { decodeJob } from '../../protocol/documents/index.ts';
import type { RunDocuments } from '../machine/events.ts';
import type { CheckpointRounds } from './checkpoint-rounds.ts';
import { ownEvidence } from './input-evidence.ts';
import type { ControllerPorts } from './ports.ts';

/**
 * The documents of a run, as the bundle of its last verdict holds them: each is opened again, as it comes from a disk. Errors: those
 * of `ownEvidence`, `DOC_…`.
 */
export async function documentsOfRun(
  ports: Parameters<typeof ownEvidence>[0] & Pick<ControllerPorts, 'signing'>,
  checkpoints: Pick<CheckpointRounds, 'keep'>,
  run: string,
): Promise<RunDocuments> {
  const { documents } = ports.signing;
  const bundle = await ownEvidence(ports, checkpoints, run);
  const offers = [];
  for (const raw of bundle.offers) offers.push((await documents.message('offer', raw)).payload);
  const receipts = [];
  for (const { envelope, lease, grant } of bundle.receipts)
    receipts.push({
      receipt: await documents.receipt(envelope),
      lease: (await documents.message('lease', lease)).payload,
      grant: await documents.message('grant', grant),
    });
  return {
    request: await documents.message('request', bundle.request),
    publisher: await documents.message('grant', bundle.publisher),
    job: decodeJob(toUtf8(bundle.job)).job,
    offers,
    receipts,
  };
}
