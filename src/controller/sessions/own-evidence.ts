import { QuorateError } from '../../protocol/base/errors.ts';
import { toUtf8 } from '../../protocol/base/text.ts';
import { decodeBundle, decodeJob, type OwnBundle, type Signer } from '../../protocol/documents/index.ts';
import type { RunDocuments } from '../machine/events.ts';
import { publishedParts } from '../machine/queries/draft.ts';
import { ownBundle } from './bundle.ts';
import type { SharedPorts } from './shared.ts';

/** The key under which a controller promised a document: that key alone completes or repeats it. @throws `CONTROLLER_KEY_MISSING`. */
export function signerOf({ signing, retired }: EvidencePorts, id: string): Signer {
  const signer = [signing.signer, ...retired].find((one) => one.id === id);
  if (signer !== undefined) return signer;
  throw new QuorateError(
    'CONTROLLER_KEY_MISSING',
    `it was promised under the key ${id}, which is not in the project's folder`,
    { hint: 'Put the key into .quorate/keys/ and start the controller again.' },
  );
}

type EvidencePorts = Pick<
  SharedPorts,
  'machine' | 'bundles' | 'lost' | 'project' | 'signing' | 'retired' | 'checkpoints'
>;

/** The bundles of these runs, see `ownEvidence`. */
export async function inputEvidenceOf(ports: EvidencePorts, runs: readonly string[]): Promise<OwnBundle[]> {
  const found: OwnBundle[] = [];
  for (const run of runs) found.push(await ownEvidence(ports, run));
  return found;
}

/** The bundle of a run without its inputs, made or as stored. @throws `INPUT_EVIDENCE_MISSING`, `DOC_…`, `CONTROLLER_KEY_MISSING`. */
async function ownEvidence(ports: EvidencePorts, run: string): Promise<OwnBundle> {
  const parts = publishedParts(ports.machine.state, run) ?? (await ports.lost.draft(run));
  if (parts !== undefined) {
    await ports.checkpoints.keep(parts.checkpoint.size);
    return ownBundle(parts, ports.project, signerOf(ports, parts.controller));
  }
  const stored = await ports.bundles.get(run);
  if (stored === undefined)
    throw new QuorateError('INPUT_EVIDENCE_MISSING', `there is no bundle of ${run}, whose artifact is read`);
  const { inputs: _, ...own } = decodeBundle(stored);
  return own;
}

/** The documents of a run from its bundle, opened again as from any disk. @throws those of `ownEvidence`, `DOC_…`. */
export async function documentsOfRun(ports: EvidencePorts, run: string): Promise<RunDocuments> {
  const { documents } = ports.signing;
  const bundle = await ownEvidence(ports, run);
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
