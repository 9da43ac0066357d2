import type { BundleDraft } from '../../../src/controller/machine/events.ts';
import type { WitnessedLog } from '../../../src/controller/machine/facts.ts';
import { draftOf, publishedParts, reuseDraftOf } from '../../../src/controller/machine/queries/draft.ts';
import { assembleBundle, ownBundle } from '../../../src/controller/sessions/bundle.ts';
import {
  cosignStatement,
  decodeBundle,
  type OwnBundle,
  signStatement,
} from '../../../src/protocol/documents/index.ts';
import {
  formatCheckpoint,
  signCheckpoint,
  witnessCheckpoint,
} from '../../../src/protocol/transparency/index.ts';
import { type Revoked, revokedBy, verifyBundle } from '../../../src/protocol/trust/index.ts';
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

/** The parts of a run's published bundle, with the note that its witnesses signed. */
async function partsIn(bench: Bench, run: string): Promise<BundleDraft | undefined> {
  const parts = publishedParts(bench.controller.state, run);
  if (parts?.endorsement.kind !== 'witnessed') return parts;
  const { endorsement, checkpoint } = parts;
  const note = await noteOf(bench, checkpoint.root, endorsement.log);
  return { ...parts, endorsement: { ...endorsement, log: { ...endorsement.log, note } } };
}

/** The bundle of a run's published verdict, with those of all that it reads; undefined before there is a verdict. */
export async function bundleOf(bench: Bench, run: string): Promise<string | undefined> {
  const { project, controller } = bench.paper;
  const parts = await partsIn(bench, run);
  if (parts === undefined) return undefined;
  const inputs: OwnBundle[] = [];
  for (const read of parts.inputs) {
    const of = await partsIn(bench, read);
    if (of !== undefined) inputs.push(await ownBundle(of, project, controller));
  }
  return assembleBundle(parts, project, controller, inputs);
}

/** The revocations in the log of the bench. */
export const revocationsOf = ({ controller }: Bench): Revoked[] =>
  controller.state.revocations.map(({ revocation }) => revokedBy(revocation));

/**
 * The result of `verify` for a run's published verdict, knowing these revocations: its level, or the code of what does not hold.
 */
export async function verified(
  bench: Bench,
  run: string,
  revocations: readonly Revoked[] = [],
): Promise<string | null> {
  const { project, keys } = bench.paper;
  const bundle = await bundleOf(bench, run);
  if (bundle === undefined) return null;
  const { ok, level, code } = await verifyBundle(
    decodeBundle(bundle),
    { project, revocations },
    keys.verifier,
  );
  return ok ? level : code;
}

/** The trusted worker of this name signs what it is asked to. */
export async function cosign(bench: Bench, run: string, name: string): Promise<void> {
  const { paper, controller } = bench;
  const { log } = controller.state;
  const answer = reuseDraftOf(controller.state, run, log.size);
  const { verdict, checkpoint } = answer ?? draftIn(bench, run);
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
    ...(answer !== undefined && { log: checkpoint }),
  });
}

/** The artifact of an earlier build is there, and the trusted worker signs the answer where it has to. */
export async function answer(bench: Bench, run: string): Promise<void> {
  bench.pinned(run);
  if (bench.facts(run).phase.kind === 'answer-cosigning') await cosign(bench, run, 'trusted');
}
