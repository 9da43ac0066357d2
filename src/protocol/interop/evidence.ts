import { QuorateError } from '../base/errors.ts';
import {
  type Bundle,
  claimedIdOf,
  isTrustedSlot,
  type OwnBundle,
  openStatement,
  resultIdOf,
  resultOf,
  type Verifier,
} from '../documents/index.ts';
import { cosignersOrOne } from '../judge/index.ts';
import type { VerifiedFacts } from '../trust/index.ts';
import { inTotoKeyOf, linkEnvelope, stepNames } from './link.ts';
import { nothingBuilt } from './provenance.ts';

interface ExportedLink {
  /** As in-toto looks for it: `<step>.<first eight of the key's id>.link`. */
  file: string;
  operator: string;
  /** PeerId. */
  worker: string;
  envelope: string;
}

/** The links a bundle's trust rests on: one of each operator that counts, and those of the trusted workers that signed. */
export interface Links {
  builders: ExportedLink[];
  trusted: ExportedLink[];
  /** How many of the latter must have made the same. */
  signers: number;
}

/** The part of a verified bundle that has the receipts: of the earlier request, where nothing was built for its own. */
export function builtIn(bundle: Bundle, { earlier }: Pick<VerifiedFacts, 'earlier'>): OwnBundle {
  const isBuilt = ({ request }: OwnBundle) => earlier !== null && claimedIdOf(request) === earlier;
  return bundle.inputs?.find(isBuilt) ?? bundle;
}

/**
 * Takes the in-toto links out of a verified bundle, without dissent: all links of a step have to be alike.
 * @throws {QuorateError} `ARTIFACT_OF_TEST`, `EXPORT_NOTHING_BUILT`, `EXPORT_NO_LINKS`
 */
export async function linksOf(bundle: Bundle, facts: VerifiedFacts, verifier: Verifier): Promise<Links> {
  if (facts.kind === 'test')
    throw new QuorateError(
      'ARTIFACT_OF_TEST',
      `the evidence is about the test "${facts.name}": what it put out are reports, which no layout vouches for`,
    );
  if (facts.artifact === null || facts.operators.length === 0)
    throw nothingBuilt('the verdict is about no artifact that operators agreed on');
  const { artifact, files } = facts;
  const result = resultIdOf({ kind: 'exit', code: 0, artifact }, files);
  const signers = facts.cosigners.length === 0 ? 0 : cosignersOrOne(facts.policy);
  const links: Links = { builders: [], trusted: [], signers };
  for (const { envelope: raw } of builtIn(bundle, facts).receipts) {
    const { payload, signer } = await openStatement('receipt', raw, verifier);
    const { slot, operator } = payload.predicate.quorate_receipt;
    if (resultOf(payload) !== result) continue;
    const isTrusted = isTrustedSlot(slot);
    const step = isTrusted ? stepNames.trusted : stepNames.build;
    const into = isTrusted ? links.trusted : links.builders;
    const counts = isTrusted ? facts.cosigners.includes(signer) : facts.operators.includes(operator);
    // Trusted workers count by key, others by operator.
    if (!counts || into.some((link) => (isTrusted ? link.worker === signer : link.operator === operator)))
      continue;
    const envelope = await linkEnvelope(payload, signer, verifier);
    if (envelope === undefined) continue;
    const file = `${step}.${inTotoKeyOf(signer).keyid.slice(0, 8)}.link`;
    into.push({ file, operator, worker: signer, envelope });
  }
  const { agree } = facts.policy;
  if (links.builders.length >= agree && links.trusted.length >= signers) return links;
  throw new QuorateError(
    'EXPORT_NO_LINKS',
    `${links.builders.length} of the ${agree} operators needed, and ${links.trusted.length} of ${signers} trusted workers, signed an in-toto link that holds`,
    { hint: 'Their Quorate is older than in-toto links; have the job built again.' },
  );
}
