import { standIn } from '../../../simulations/keys.ts';
import type { WitnessedLog } from '../../../src/core/controller/backing.ts';
import { draftOf, publishedParts } from '../../../src/core/controller/draft.ts';
import { cosignStatement, decodeBundle, signStatement } from '../../../src/core/documents/index.ts';
import { assembleBundle } from '../../../src/core/sessions/controller/bundle.ts';
import { formatCheckpoint, signCheckpoint, witnessCheckpoint } from '../../../src/core/transparency/index.ts';
import { verifyBundle } from '../../../src/core/trust/index.ts';
import type { Bench } from './bench.ts';

export const draftIn = ({ controller }: Bench, run: string) => {
  const found = draftOf(controller.state, run) ?? publishedParts(controller.state, run);
  if (found === undefined) throw new Error('there is a verdict');
  return found;
};

/** The note that these workers and the log signed. */
async function noteOf(bench: Bench, root: string, { size, lines }: WitnessedLog): Promise<string> {
  const { project, controller, keys } = bench.paper;
  let note = await signCheckpoint(formatCheckpoint({ project, size, root }), controller);
  for (const { witness, time } of lines.keys)
    note += await witnessCheckpoint(note, keys.signer(bench.nameOf(witness)), time);
  return note;
}

/** What `verify` says of a run's published verdict: its level, or the code of what does not hold. */
export async function verified(bench: Bench, run: string): Promise<string | null> {
  const { paper } = bench;
  const parts = publishedParts(bench.controller.state, run);
  if (parts === undefined) return null;
  const { backing, checkpoint } = parts;
  if (backing.kind === 'witnessed') {
    const note = await noteOf(bench, checkpoint.root, backing.log);
    parts.backing = { ...backing, log: { ...backing.log, note } };
  }
  const bundle = await assembleBundle(parts, paper.project, paper.controller);
  const { ok, level, code } = await verifyBundle(
    decodeBundle(bundle),
    { project: paper.project },
    standIn.verifier,
  );
  return ok ? level : code;
}

/** The trusted worker of this name signs what it is asked to. */
export async function cosign(bench: Bench, run: string, name: string): Promise<void> {
  const { paper } = bench;
  const { verdict, checkpoint } = draftIn(bench, run);
  const signer = paper.keys.signer(name);
  const signed = await signStatement('verdict', verdict, paper.controller);
  const note = await signCheckpoint(
    formatCheckpoint({ project: paper.project, ...checkpoint }),
    paper.controller,
  );
  bench.send({
    kind: 'cosigned',
    verdict: signed.id,
    run,
    worker: signer.id,
    signature: await cosignStatement(signed.raw, signer),
    witness: await witnessCheckpoint(note, signer, Math.floor(bench.now / 1000)),
  });
}
