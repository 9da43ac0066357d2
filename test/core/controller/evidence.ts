import { standIn } from '../../../simulations/keys.ts';
import { draftOf } from '../../../src/core/controller/draft.ts';
import { cosignStatement, decodeBundle, signStatement } from '../../../src/core/documents/index.ts';
import { assembleBundle } from '../../../src/core/sessions/controller/bundle.ts';
import { formatCheckpoint, signCheckpoint, witnessCheckpoint } from '../../../src/core/transparency/index.ts';
import { verifyBundle } from '../../../src/core/trust/index.ts';
import type { Bench } from './bench.ts';

export const draftIn = ({ controller }: Bench, run: string) => {
  const found = draftOf(controller.state, run);
  if (found === undefined) throw new Error('there is a verdict');
  return found;
};

/** What `verify` says of a run's last verdict: its level, or the code of what does not hold. */
export async function verified(bench: Bench, run: string): Promise<string | null> {
  const { paper } = bench;
  const bundle = await assembleBundle(draftIn(bench, run), paper.project, paper.controller);
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
