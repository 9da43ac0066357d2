import { assert } from '../base/errors.ts';
import { limits } from '../base/limits.ts';

/** Bounds of signed documents. */
export const documentLimits = {
  /** Canonical JSON of the member `more`: what later versions add. Keeps the largest message well below `documentBytesMax`. */
  moreBytesMax: 4096,
  /** Depth of nested JSON. Documents of this version need eight. */
  jsonDepthMax: 24,
  /**
   * Values in JSON of any length; of a larger one, one more for this many bytes, and in all. A file of a receipt has four in a hundred, a
   * hash of a bundle one in 67.
   */
  jsonValuesOfAny: 65_536,
  jsonBytesOfValue: 16,
  jsonValuesMax: 2 ** 20,
  /** Operators that build in one round; the controller holds a lease for each. */
  slotsMax: 16,
  /** Rounds of one run: a round that reaches no agreement is followed by another. */
  roundsMax: 8,
  /** A witness's key as text: a name of 128 characters, key id, 33 bytes in base64. */
  noteKeyCharsMax: 182,
  /** Witnesses of others that a charter names: a line of 240 characters each in a checkpoint. */
  charterWitnessesMax: 8,
  /** Subject and author of a commit in a request: one line of a page each. */
  subjectCharsMax: 200,
  authorCharsMax: 100,
  /** Id of a push, which its publisher chooses: a digest in hexadecimal. */
  pushIdCharsMax: 64,
  /** Name of a step: a line of a log. */
  stepNameCharsMax: 100,
} as const;

/** Receipts of one run: of each slot and of the trusted worker, in each round. */
export const receiptsMax = (documentLimits.slotsMax + 1) * limits.slotLeasesMax * documentLimits.roundsMax;

const { subjectCharsMax, authorCharsMax, pushIdCharsMax, moreBytesMax } = documentLimits;
assert(
  3 * (subjectCharsMax + authorCharsMax + pushIdCharsMax) < moreBytesMax / 2,
  'the words of a push leave room for others',
);
assert(
  documentLimits.jsonValuesOfAny + limits.receiptBytesMax / documentLimits.jsonBytesOfValue <=
    documentLimits.jsonValuesMax,
  'a receipt of the largest size may hold as many values a byte as every document',
);
assert(
  limits.bundleBytesMax / 64 <= documentLimits.jsonValuesMax,
  'the largest bundle may be made of hashes',
);
assert(documentLimits.jsonDepthMax >= 8, 'documents are nested eight deep');
