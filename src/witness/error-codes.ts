/** Error codes of witnesses of others: what each means and what to do. */
const witnessErrors = {
  WITNESS_ANSWER_INVALID:
    'A witness of others answered with something else than the protocol tlog-witness has: too long, no signature lines, or none of its own key. Is the URL that of the witness whose key the charter names?',
  WITNESS_CONFLICT:
    'A witness of others knows another history of this log than the one it was shown, or a longer one. Either the journal of the controller is an older copy, or somebody shows another log under its key: do not go on before you know which, and keep the checkpoint that the witness holds.',
  WITNESS_PROOF_REFUSED:
    'A witness of others does not accept the proof that the log goes on from what it signed before. As with `WITNESS_CONFLICT`, do not go on before you know why.',
  WITNESS_REFUSED:
    "A witness of others does not sign: it does not know the log's key, or not the log at all. Whoever runs it adds both.",
  WITNESS_UNREACHABLE:
    'A witness of others did not answer in time, or not as a witness would. It is asked again; artifacts that need its line wait for it.',
} as const;

export type WitnessErrorCode = keyof typeof witnessErrors;

declare module '../protocol/base/errors.ts' {
  interface ErrorCodes extends Record<WitnessErrorCode, string> {}
}
