/** Artifact stores that keep bytes in the place of a controller, from its last start on. */
export interface Stores {
  /** PeerIds. */
  ids: readonly string[];
  /** So many of them have to keep an artifact before a verdict on it is published. */
  copies: number;
}

/** Answers of stores about one artifact, in this life of the controller. */
export interface StoreAnswers {
  /** Those that keep it. */
  by: string[];
  /** Those that do not, of this attempt, and whose fault that is. */
  failed: { store: string; fault: Fault }[];
}

/** `signers`: none of the workers that built it served it. `store`: it could not be reached, or has no room. */
export type Fault = 'signers' | 'store';
