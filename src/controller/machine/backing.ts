import { unreachable } from '../../protocol/base/errors.ts';
import type { Grant, Verified } from '../../protocol/documents/index.ts';
import type { OpenedWitnesses } from '../../protocol/trust/witnesses.ts';

/** Of a trusted worker: its signature over the verdict (base64) and its witness line for the checkpoint. */
export interface Cosignature {
  worker: string;
  signature: string;
  witness: string;
}

/** A checkpoint with the lines of its witnesses, as bundles hold it. */
export interface WitnessedLog {
  /** Leaves under it. */
  size: number;
  /** The signed note with these lines. */
  note: string;
  /** They were verified. */
  lines: OpenedWitnesses;
  /** Of witnesses without a receipt of the run. */
  grants: Verified<Grant>[];
}

/** A worker that counts as a witness: its key, its operator, and the identity provider that granted. */
export interface CountedWitness {
  readonly worker: string;
  readonly operator: string;
  readonly issuer: string;
}

/** Signatures beside the controller's on a published verdict, without documents. */
export type BackingFacts =
  /** Nothing: it is not trusted. */
  | { readonly kind: 'none' }
  | { readonly kind: 'cosigned'; readonly worker: string }
  /** `size`: leaves under the checkpoint. */
  | { readonly kind: 'witnessed'; readonly size: number; readonly by: readonly CountedWitness[] };

/** The same with what its bundle is made of. */
export type Backing =
  | Extract<BackingFacts, { kind: 'none' }>
  | (Extract<BackingFacts, { kind: 'cosigned' }> & {
      readonly cosignature: Cosignature;
      /** Leaves under the checkpoint that was signed, where it is a later one than that of the verdict. */
      readonly size?: number;
    })
  | (Extract<BackingFacts, { kind: 'witnessed' }> & { readonly log: WitnessedLog });

export function backingFacts(backing: BackingFacts): BackingFacts {
  switch (backing.kind) {
    case 'none':
      return { kind: 'none' };
    case 'cosigned':
      return { kind: 'cosigned', worker: backing.worker };
    case 'witnessed':
      return { kind: 'witnessed', size: backing.size, by: backing.by };
    default:
      return unreachable(backing, 'backing of a verdict');
  }
}

/** Signatures there are of those that a verdict needs, how many it needs, and which of the charter's witnesses are missing. */
export type Missing = {
  operators: string[];
  operatorsNeeded: number;
  named: string[];
  namedNeeded: number;
  namedMissing: string[];
};
