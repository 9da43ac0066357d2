import type { MessageKind } from '../../src/protocol/documents/index.ts';

export type DocumentKind = MessageKind | 'receipt' | 'verdict' | 'job' | 'bundle';

/** One document as it travels, and what opening it must give. */
export interface Vector {
  name: string;
  kind: DocumentKind;
  raw: string;
  /** `ok`, or the code it is refused with. */
  expect: string;
  /** Name of the test key(s) (`testKey`) that signed, where the document is valid: signing again gives the same text. */
  signers?: string[];
  /** Milliseconds since the epoch: then its times are checked too. */
  now?: number;
}
