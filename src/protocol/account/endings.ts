import type { VerdictLevel } from '../documents/index.ts';

/** Why a run ended without a result. */
export type Ending =
  /** Operators built different things. */
  | 'results-differ'
  /** The trees are the same, and the operators list other files in them. */
  | 'files-differ'
  /** The trusted worker built something else than operators did. */
  | 'contradicted'
  /** The trusted worker's build of what operators built failed. */
  | 'trusted-failed'
  | 'cosign-refused'
  /** All receipts that came say that the build was aborted. */
  | 'aborted'
  /** All of them were aborted for what they put out: a name or a kind of file that no tree can have. */
  | 'outputs-refused'
  /** No operator took a slot, and some said why. */
  | 'not-taken'
  /** No receipt came: nobody took a slot, or whoever did was lost. */
  | 'not-built'
  /** Each build that ended by itself failed, and no trusted worker's build failed too. */
  | 'build-failed'
  /** The builds agree, and are fewer than the policy asks for. */
  | 'too-few'
  /** Agreed upon, and none of those who agree could serve the bytes. */
  | 'not-served'
  /** The builds made an artifact that is revoked. */
  | 'artifact-revoked'
  /** The request expired before the receipts were decided on. */
  | 'too-late';

interface EndingText {
  level: Extract<VerdictLevel, 'disputed' | 'unfinished'>;
  says: string;
  /** The next step for whoever published it. */
  advice: string;
  /** The logs of its builds say why. */
  hasLogs?: true;
}

export const endings: Record<Ending, EndingText> = {
  'results-differ': {
    level: 'disputed',
    says: 'operators came to different results',
    advice:
      'The build is not reproducible, or an operator changed it. Compare the results, and find what the build depends on: quorate try --vary',
  },
  'files-differ': {
    level: 'disputed',
    says: 'operators list different files for the same tree',
    advice:
      'An operator states other files than its tree has. Look at its receipt, and revoke the operator if that was no accident.',
  },
  contradicted: {
    level: 'disputed',
    says: 'the trusted worker built something else',
    advice:
      'Operators built what the trusted worker does not get. Compare the results. If the build is reproducible, those operators lied: revoke them.',
  },
  'trusted-failed': {
    level: 'disputed',
    says: "the trusted worker's build failed",
    advice:
      'Read the log of the trusted worker: it lacks something that the operators have, or they agreed on something else than the commit.',
    hasLogs: true,
  },
  'cosign-refused': {
    level: 'disputed',
    says: 'the trusted worker does not sign',
    advice: "Look at that worker's log, and at the project's, before anything is published again.",
  },
  aborted: {
    level: 'unfinished',
    says: 'no operator could build it',
    advice: 'Mend what they say in the job or the commit, and publish it again.',
    hasLogs: true,
  },
  'outputs-refused': {
    level: 'unfinished',
    says: 'its outputs have a name or a kind of file that no artifact can have',
    advice:
      'Rename the file that is named, or leave it out of the outputs; links and devices that leave the tree too.',
    hasLogs: true,
  },
  'not-taken': {
    level: 'unfinished',
    says: 'no operator could take it',
    advice:
      'Publish it again where they were busy; else lower what the job asks for, or ask an operator to lend more.',
  },
  'not-built': {
    level: 'unfinished',
    says: 'no operator built it',
    advice: 'Have workers connected that fit the job, and publish it again.',
  },
  'build-failed': {
    level: 'unfinished',
    says: 'the build failed, and no trusted worker has confirmed it',
    advice:
      'If it fails everywhere, fix the commit; connect the trusted worker to have the failure confirmed.',
    hasLogs: true,
  },
  'too-few': {
    level: 'unfinished',
    says: 'too few operators built it',
    advice:
      'Have more operators connected, or lower the number that has to agree, as far as the charter allows.',
  },
  'not-served': {
    level: 'unfinished',
    says: 'no peer serves the agreed artifact',
    advice: 'The operators that built it went away. Publish it again.',
  },
  'artifact-revoked': {
    level: 'unfinished',
    says: 'it came to an artifact that is revoked',
    advice:
      'Building the same commit again gives the same bytes. Publish a commit that makes others: the reason of the revocation says what was wrong.',
  },
  'too-late': {
    level: 'unfinished',
    says: "the request's time was up",
    advice: 'Publish it again; have more workers connected, or give it more time.',
  },
};

const known = (reason: string): EndingText | undefined =>
  Object.hasOwn(endings, reason) ? endings[reason as Ending] : undefined;

/** The text of an ending; undefined for one that a newer controller may send. */
export const endingText = (reason: string | undefined): EndingText | undefined =>
  reason === undefined ? undefined : known(reason);

/** The level as shown. Verdicts from before `unfinished` are `disputed` also where no results differ: the reason tells them apart. */
export function shownLevel(level: VerdictLevel, reason: string | undefined): VerdictLevel {
  return level === 'disputed' ? (endingText(reason)?.level ?? level) : level;
}

interface VerdictWords {
  level: VerdictLevel;
  reason?: string | undefined;
  /** The limit at which the builds were aborted. */
  limit?: string | undefined;
}

export function verdictText({ level, reason, limit }: VerdictWords): string {
  if (limit !== undefined) return `aborted: ${limit}`;
  const text = endingText(reason)?.says ?? reason;
  const shown = shownLevel(level, reason);
  return text === undefined ? shown : `${shown}: ${text}`;
}
