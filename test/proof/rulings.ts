/**
 * The outcome that a change must have, for `group: field` of a mutant. The first pattern that fits counts, each must fit some
 * mutant, and every mutant must fit one. `is`: the step and the code it is refused with.
 */
export interface Ruling {
  what: RegExp;
  is: string[];
}

/**
 * Changes that prove nothing false: the verification's whole output is the same, word for word. `or`: what those among
 * them come to that go too far.
 */
export const neutral: { what: RegExp; why: string; or?: string[] }[] = [
  {
    what: /^bundle: receipts\.\d+ swapped$/,
    why: 'receipts are a set: their order is in the log',
  },
  {
    what: /^bundle: entries\.\d+ swapped$/,
    why: 'each log entry is proven by itself',
  },
  {
    what: /^checkpoint: (lines swapped|lines doubled|stranger's witness line added|unknown log's line added)$/,
    why: 'signatures of keys we do not know are to be skipped (C2SP signed-note), and a key counts once',
  },
  {
    what: /^thief (publisher|grant): (jti|iat|exp|enrolled)$/,
    why: 'the identity provider may grant anew; a false enrolment is what the trusted worker rereads the log for',
    // A grant may last a day at most, and not have begun after it was used.
    or: ['request DOC_INVALID', 'receipts DOC_INVALID'],
  },
];

const steps = {
  charter: 'charter',
  request: 'request',
  publisher: 'request',
  offer: 'offers',
  lease: 'receipts',
  grant: 'receipts',
  receipt: 'receipts',
  verdict: 'verdict',
};
const messages = ['charter', 'request', 'publisher', 'offer', 'lease', 'grant'] as const;
const statements = ['receipt', 'verdict'] as const;

const codes = (step: string, ...all: string[]): string[] => all.map((code) => `${step} ${code}`);

/** A change under an old signature is found by the signature check, before any field of the payload is used. */
const underOldSignatures: Ruling[] = [
  ...messages.flatMap((name): Ruling[] => [
    { what: new RegExp(`^header ${name}: kid$`), is: codes(steps[name], 'DOC_BAD_SIGNATURE', 'DOC_INVALID') },
    { what: new RegExp(`^header ${name}: alg$`), is: codes(steps[name], 'DOC_WRONG_ALG', 'DOC_INVALID') },
    { what: new RegExp(`^header ${name}: typ$`), is: codes(steps[name], 'DOC_WRONG_TYPE', 'DOC_INVALID') },
    { what: new RegExp(`^header ${name}: `), is: codes(steps[name], 'DOC_INVALID') },
  ]),
  ...statements.flatMap((name): Ruling[] => [
    {
      what: new RegExp(`^envelope ${name}: signatures\\.\\d\\.(sig|keyid)$`),
      is: codes(steps[name], 'DOC_BAD_SIGNATURE', 'DOC_NOT_BASE64', 'DOC_INVALID'),
    },
    {
      what: new RegExp(`^envelope ${name}: signatures\\.\\d doubled$`),
      is: codes(steps[name], 'DOC_BAD_SIGNATURE'),
    },
  ]),
  {
    what: /^envelope verdict: signatures\.0 dropped$|^envelope verdict: signatures\.1 swapped$/,
    is: ['verdict VERDICT_ISSUER_MISMATCH'],
  },
  { what: /^envelope verdict: signatures\.1 dropped$/, is: ['co-signature COSIGN_MISSING'] },
  ...statements.map(
    (name): Ruling => ({
      what: new RegExp(`^envelope ${name}: `),
      is: codes(steps[name], 'DOC_INVALID'),
    }),
  ),
  ...[...messages, ...statements].map(
    (name): Ruling => ({
      what: new RegExp(`^(payload|signature) ${name}: `),
      is: codes(steps[name], 'DOC_BAD_SIGNATURE'),
    }),
  ),
];

const strangers: Ruling[] = [
  { what: /^stranger charter: as itself$/, is: ['charter CHARTER_ISSUER_MISMATCH'] },
  { what: /^stranger request: as itself$/, is: ['request GRANT_KEY_MISMATCH'] },
  { what: /^stranger publisher: as itself$/, is: ['request GRANT_ISSUER_MISMATCH'] },
  { what: /^stranger offer: as itself$/, is: ['offers OFFER_ISSUER_MISMATCH'] },
  { what: /^stranger lease: as itself$/, is: ['receipts LEASE_ISSUER_MISMATCH'] },
  { what: /^stranger grant: as itself$/, is: ['receipts GRANT_ISSUER_MISMATCH'] },
  ...messages.map(
    (name): Ruling => ({
      what: new RegExp(`^stranger ${name}: as the signer$`),
      is: codes(steps[name], 'DOC_BAD_SIGNATURE'),
    }),
  ),
  { what: /^stranger receipt: /, is: ['receipts RECEIPT_SIGNER_MISMATCH'] },
  { what: /^stranger verdict: alone$/, is: ['verdict VERDICT_ISSUER_MISMATCH'] },
  { what: /^stranger verdict: besides$/, is: ['co-signature COSIGN_NOT_TRUSTED_KEY'] },
];

/** Signed again with the key that signed it before: one stolen key moves nothing. */
const thieves: Ruling[] = [
  // The publisher of a run is the identity provider's word. It bounds how much one publisher fills, and casts no vote.
  { what: /^thief publisher: operator$/, is: ['ACCEPTED'] },
  ...messages.slice(1).map(
    (name): Ruling => ({
      what: new RegExp(`^thief ${name}: iss$`),
      is: codes(steps[name], 'DOC_WRONG_ISSUER'),
    }),
  ),
  {
    what: /^thief (publisher|grant): project$/,
    is: ['request GRANT_PROJECT_MISMATCH', 'receipts GRANT_PROJECT_MISMATCH'],
  },
  {
    what: /^thief (publisher|grant): role$/,
    is: ['request GRANT_ROLE_MISMATCH', 'receipts GRANT_ROLE_MISMATCH'],
  },
  {
    what: /^thief (publisher|grant): sub$/,
    is: ['request GRANT_KEY_MISMATCH', 'receipts GRANT_KEY_MISMATCH'],
  },
  { what: /^thief grant: operator$/, is: ['receipts LEASE_OPERATOR_MISMATCH'] },

  { what: /^thief request: project$/, is: ['request REQUEST_PROJECT_MISMATCH'] },
  { what: /^thief request: aud$/, is: ['request REQUEST_AUDIENCE_MISMATCH'] },
  { what: /^thief request: repo$/, is: ['request SOURCE_HOST_NOT_ALLOWED'] },
  { what: /^thief request: job$/, is: ['job REQUEST_JOB_MISMATCH'] },
  { what: /^thief request: commit$/, is: ['job REQUEST_SOURCE_MISMATCH'] },
  {
    what: /^thief request: policy\./,
    is: ['job POLICY_BELOW_FLOOR', 'request DOC_INVALID', 'offers OFFER_REQUEST_MISMATCH'],
  },
  { what: /^thief request: (ref|rebuild|jti|iat|exp)$/, is: ['offers OFFER_REQUEST_MISMATCH'] },

  { what: /^thief offer: project$/, is: ['offers OFFER_PROJECT_MISMATCH'] },
  { what: /^thief offer: charter$/, is: ['offers OFFER_CHARTER_NEWER', 'receipts RECEIPT_WITHOUT_OFFER'] },
  { what: /^thief offer: request$/, is: ['offers OFFER_REQUEST_MISMATCH'] },
  { what: /^thief offer: job$/, is: ['offers OFFER_JOB_MISMATCH'] },
  { what: /^thief offer: policy\./, is: ['offers OFFER_POLICY_MISMATCH', 'offers DOC_INVALID'] },
  { what: /^thief offer: round$/, is: ['offers OFFER_ROUND', 'offers DOC_INVALID'] },
  // The other fields of an offer are bound by its id, which leases carry.
  {
    what: /^thief offer: (draw|needs|index|iat|exp)/,
    is: ['receipts RECEIPT_WITHOUT_OFFER', 'offers DOC_INVALID'],
  },

  { what: /^thief lease: aud$/, is: ['receipts GRANT_KEY_MISMATCH'] },
  { what: /^thief lease: operator$/, is: ['receipts LEASE_OPERATOR_MISMATCH'] },
  {
    what: /^thief lease: (project|job|round)$/,
    is: ['receipts LEASE_OFFER_MISMATCH', 'receipts DOC_INVALID'],
  },
  { what: /^thief lease: offer$/, is: ['receipts RECEIPT_WITHOUT_OFFER'] },
  // And what else a lease says by its id, which receipts carry.
  {
    what: /^thief lease: (claim|fence\.|slot|iat|exp)/,
    is: ['receipts RECEIPT_LEASE_MISMATCH', 'receipts DOC_INVALID'],
  },

  {
    what: /^thief receipt: predicate\.quorate_receipt\.(project|job|offer|lease|round|slot|fence\.\w+|operator)$/,
    is: ['receipts RECEIPT_LEASE_MISMATCH', 'receipts DOC_INVALID'],
  },
  {
    what: /^thief receipt: predicate\.(buildDefinition|runDetails\.builder|runDetails\.metadata\.invocationId|quorate_receipt\.(nonce|outcome\.artifact))/,
    is: ['receipts RECEIPT_MISMATCH', 'receipts DOC_INVALID'],
  },
  { what: /^thief receipt: subject emptied$/, is: ['receipts DOC_INVALID'] },
  { what: /^thief receipt: subject\.(0(?! doubled)|1 swapped)/, is: ['receipts RECEIPT_MISMATCH'] },
  { what: /^thief receipt: (_type|predicateType)$/, is: ['receipts DOC_INVALID'] },
  {
    what: /^thief receipt: predicate\.quorate_receipt\.sandbox\.profile/,
    is: ['receipts RECEIPT_PROFILE_MISMATCH'],
  },
  // Files of a result belong to a test that failed, and to no other failure.
  {
    what: /^thief receipt: predicate\.quorate_receipt\.outcome\.code$/,
    is: ['receipts RECEIPT_FAILED_WITH_FILES'],
  },
  // A worker may say these at will, once: what it said first is in the log.
  {
    what: /^thief receipt: (subject\.|predicate\.(runDetails\.metadata\.(startedOn|finishedOn)|quorate_receipt\.(link|log|outcome|sandbox(?!\.profile))))/,
    is: ['log LOG_LEAF_MISSING', 'receipts DOC_INVALID'],
  },

  // The controller alone, and with the trusted worker's key besides: the log holds another verdict.
  {
    what: /^thie(f|ves) verdict: predicate\.quorate_verdict\.(project|job|name|request|repo|ref|commit|policy\.\w+)$/,
    is: ['verdict VERDICT_REQUEST_MISMATCH', 'verdict DOC_INVALID'],
  },
  {
    what: /^thie(f|ves) verdict: predicate\.(quorate_verdict\.(level|outcome\.artifact)$|inputAttestations|policy\.uri|resourceUri|verif)/,
    is: ['verdict VERDICT_MISMATCH', 'verdict DOC_INVALID'],
  },
  {
    what: /^thie(f|ves) verdict: predicate\.quorate_verdict\.receipts( emptied|\.\d+ (dropped|doubled|swapped)|\.\d+\.receipt$)/,
    is: ['verdict VERDICT_MISMATCH'],
  },
  { what: /^thie(f|ves) verdict: subject emptied$/, is: ['verdict DOC_INVALID'] },
  { what: /^thie(f|ves) verdict: subject\.(0(?! doubled)|1 swapped)/, is: ['verdict VERDICT_MISMATCH'] },
  { what: /^thie(f|ves) verdict: (_type|predicateType)$/, is: ['verdict DOC_INVALID'] },
  {
    what: /^thie(f|ves) verdict: (subject\.|predicate\.(timeVerified|quorate_verdict\.(outcome|receipts)))/,
    is: ['log LOG_LEAF_MISSING', 'verdict DOC_INVALID'],
  },
];

const wholeBundle: Ruling[] = [
  { what: /^bundle: charter$/, is: ['charter DOC_BAD_SIGNATURE'] },
  { what: /^bundle: (request|publisher)$/, is: ['request DOC_BAD_SIGNATURE'] },
  { what: /^bundle: job$/, is: ['job DOC_INVALID'] },
  { what: /^bundle: offers\.\d$/, is: ['offers DOC_BAD_SIGNATURE'] },
  // Without the last offer, what was built in its round has none.
  { what: /^bundle: offers\.1 dropped$/, is: ['receipts RECEIPT_WITHOUT_OFFER'] },
  { what: /^bundle: offers\.\d (dropped|doubled|swapped)$/, is: ['offers OFFER_ROUND'] },
  { what: /^bundle: receipts\.\d\.(envelope|lease|grant)$/, is: ['receipts DOC_BAD_SIGNATURE'] },
  { what: /^bundle: receipts\.\d dropped$/, is: ['decision VERDICT_RECEIPTS_MISMATCH'] },
  { what: /^bundle: receipts\.\d doubled$/, is: ['receipts RECEIPT_TWICE'] },
  { what: /^bundle: verdict$/, is: ['verdict DOC_BAD_SIGNATURE'] },
  { what: /^bundle: checkpoint$/, is: ['log CHECKPOINT_BAD_SIGNATURE'] },
  { what: /^bundle: entries\.\d dropped$/, is: ['log LOG_LEAF_MISSING'] },
  { what: /^bundle: entries\.\d doubled$/, is: ['log LOG_ENTRY_TWICE'] },
  {
    what: /^bundle: entries\.\d\.(leaf|index|path( emptied|\.\d+( dropped| doubled| swapped)?)?)$/,
    is: ['log LOG_PROOF_INVALID'],
  },
  { what: /^bundle: /, is: ['bundle DOC_INVALID'] },
  { what: /^job: v$/, is: ['job DOC_NEWER', 'job DOC_INVALID'] },
  { what: /^job: /, is: ['job REQUEST_JOB_MISMATCH', 'job DOC_INVALID'] },
  {
    what: /^byte: /,
    is: [
      ...codes('bundle', 'DOC_INVALID', 'DOC_NOT_JSON'),
      ...['charter', 'request', 'offers', 'receipts', 'verdict'].flatMap((step) =>
        codes(
          step,
          'DOC_BAD_SIGNATURE',
          'DOC_INVALID',
          'DOC_NOT_BASE64',
          'DOC_NOT_CANONICAL',
          'DOC_NOT_JSON',
          'DOC_NOT_JWS',
          'DOC_WRONG_ALG',
          'DOC_WRONG_TYPE',
        ),
      ),
      ...codes('job', 'REQUEST_JOB_MISMATCH', 'DOC_INVALID', 'DOC_NOT_JSON', 'DOC_NOT_CANONICAL'),
      ...codes('log', 'CHECKPOINT_BAD_SIGNATURE', 'CHECKPOINT_MALFORMED', 'CHECKPOINT_LOG_MISMATCH'),
      ...codes('log', 'CHECKPOINT_UNSIGNED', 'DOC_NOT_BASE64', 'LOG_PROOF_INVALID'),
      // In the witness's name: then it is a signature nobody knows.
      'co-signature WITNESS_MISSING',
    ],
  },
];

const logs: Ruling[] = [
  { what: /^checkpoint: origin$/, is: ['log CHECKPOINT_LOG_MISMATCH'] },
  { what: /^checkpoint: (size|root)$/, is: ['log CHECKPOINT_BAD_SIGNATURE', 'log CHECKPOINT_MALFORMED'] },
  { what: /^checkpoint: (line more|line less|no line)$/, is: ['log CHECKPOINT_MALFORMED'] },
  { what: /^checkpoint: (log line dropped|stranger's checkpoint)$/, is: ['log CHECKPOINT_UNSIGNED'] },
  { what: /^checkpoint: log signature: empty$/, is: ['log CHECKPOINT_MALFORMED'] },
  { what: /^checkpoint: ((log|witness) signature: |witness time)/, is: ['log CHECKPOINT_BAD_SIGNATURE'] },
  {
    what: /^checkpoint: (witness line dropped|stranger's witness line instead|witness line under another's name)$/,
    is: ['co-signature WITNESS_MISSING'],
  },
  // The log's key was stolen. Proofs that are left are void, new ones lack the trusted worker's word.
  { what: /^checkpoint: log rewritten: /, is: ['log LOG_PROOF_INVALID'] },
  { what: /^checkpoint: log rewritten with proofs: shorter$/, is: ['log LOG_LEAF_MISSING'] },
  { what: /^checkpoint: log rewritten with proofs: /, is: ['co-signature WITNESS_MISSING'] },
];

export const rulings: Ruling[] = [...underOldSignatures, ...strangers, ...thieves, ...wholeBundle, ...logs];
