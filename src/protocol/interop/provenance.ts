import { QuorateError } from '../base/errors.ts';
import { recipeText } from '../base/recipe-name.ts';
import {
  type Job,
  receiptBuildType,
  resolvedDependenciesOf,
  type Signer,
  subjectsOf,
} from '../documents/index.ts';
import type { DependencyIndex } from '../lock-formats/index.ts';
import type { VerifiedFacts } from '../trust/index.ts';
import { signedEnvelope } from './link.ts';
import { digestsOf } from './packages.ts';

/** Materials of an artifact, all of them verified. */
export interface Made {
  /** The project's root key. */
  project: string;
  facts: VerifiedFacts;
  job: Job;
  /** Files that its lock files demand; undefined of a job without any. */
  index: DependencyIndex | undefined;
}

export const nothingBuilt = (says: string): QuorateError =>
  new QuorateError('EXPORT_NOTHING_BUILT', says, {
    hint: 'Name the bundle of a build that made one: quorate fetch <cid> --bundle-out <file> writes it.',
  });

/** SLSA provenance v1 of an artifact (https://slsa.dev/spec/v1.0/provenance). */
export type Provenance = ReturnType<typeof makeProvenance>;

/**
 * The provenance that an artifact's receipts come to together, each dependency by its package URL (ADR 0047).
 * @throws {QuorateError} `EXPORT_NOTHING_BUILT`
 */
export function makeProvenance({ project, facts, job, index }: Made) {
  if (facts.artifact === null) throw nothingBuilt('the verdict is about no artifact');
  const files = (index?.blobs ?? []).map((blob) => ({
    name: blob.file,
    uri: blob.purl,
    digest: digestsOf(blob),
  }));
  /** Commit, image, artifacts of other jobs, the tree of dependencies, then each file in it with the URL of its package. */
  const resolvedDependencies: { name?: string; uri: string; digest: Record<string, string> }[] = [
    ...resolvedDependenciesOf(job),
    ...files,
  ];
  return {
    _type: 'https://in-toto.io/Statement/v1',
    subject: subjectsOf(facts.artifact, facts.job, facts.files),
    predicateType: 'https://slsa.dev/provenance/v1',
    predicate: {
      buildDefinition: {
        buildType: receiptBuildType,
        externalParameters: {
          job: facts.job,
          repository: facts.repo,
          ref: facts.ref,
          /** The job file, where it is not the repository's own, as the publisher named it. */
          ...(facts.recipe !== null && { recipe: recipeText(facts.recipe) }),
        },
        resolvedDependencies,
      },
      runDetails: {
        builder: { id: `urn:quorate:project:${project}` },
        metadata: { invocationId: facts.request, finishedOn: facts.time },
      },
    },
  };
}

/** The provenance as a DSSE envelope. Whoever signs it says: I verified the evidence. */
export const signProvenance = (provenance: Provenance, signer: Signer): Promise<string> =>
  signedEnvelope(provenance, signer, signer.id);
