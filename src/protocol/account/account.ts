import { shortRef } from '../base/git-ref.ts';
import { counted } from '../base/quantity.ts';
import { shortId } from '../base/text.ts';
import { isoTime } from '../base/time.ts';
import { transferText } from '../base/transfer-meter.ts';
import { isBusyPass, passReason } from '../wire/pass-reason.ts';
import { signersText } from '../wire/told-policy.ts';
import { runAlarmOf } from './alarms.ts';
import { endingText, shownLevel } from './endings.ts';
import type { Account, AccountFacts, NextStep, OpenFacts, TrustedFailure } from './states.ts';

/** Operators whose reasons are told; of more, how many. */
const toldMax = 3;

interface Waiting {
  says: string;
  next: NextStep[];
}

/** Which operators a free slot waits for, until when, and what helps. With `agree` results the round may be enough as it is. */
function waitsForOperators(open: OpenFacts, agree?: number): Waiting {
  const { held, freeUntil, sealed } = open;
  if (held === true)
    return { says: 'for the next start of the controller, which is about to stop', next: [] };
  const { says, next } = whom(open);
  const mayDo = agree !== undefined && sealed >= agree && freeUntil !== undefined;
  return {
    says:
      freeUntil === undefined
        ? says
        : `${says}; until ${isoTime(freeUntil).slice(11, 19)} UTC, then the round ends`,
    next: mayDo ? [] : next,
  };
}

function whom({ connected, eligible, late, declined, asked = [] }: OpenFacts): Waiting {
  const connect = { says: 'have workers of more operators connected: those with a ticket run quorate join' };
  if (connected === 0) return { says: 'for an operator: none is connected', next: [connect] };
  if (eligible === 0) {
    const those = connected === 1 ? 'the one that is connected' : `the ${connected} that are connected`;
    const had =
      late === undefined
        ? 'joined after it was published or had a slot of it'
        : late === 0
          ? 'had a slot of it'
          : late === connected
            ? 'joined after it was published'
            : `had a slot of it, or joined after it was published (${late})`;
    const again = { says: 'publish it again, for all who are connected now' };
    return { says: `for another operator: ${those} ${had}`, next: late === 0 ? [connect] : [again, connect] };
  }
  if (declined.length >= eligible)
    return {
      says: `for an operator that takes it: ${reasons(declined)}`,
      next: [
        declined.every(({ reason }) => isBusyPass(reason))
          ? { says: 'wait until their builds end' }
          : {
              says: 'ask them to resume or to lend more, or lower what the job asks for (limits in its job file)',
            },
        connect,
      ],
    };
  return {
    says: `for ${asked.length > 0 ? named(asked) : counted(eligible - declined.length, 'operator')} to answer the offer`,
    next: [],
  };
}

/** `alice, bob, cy and 2 more`. */
function named(operators: readonly string[]): string {
  const more = operators.length - toldMax;
  const told = operators.slice(0, toldMax).join(', ');
  return more > 0 ? `${told} and ${more} more` : told;
}

function reasons(declined: OpenFacts['declined']): string {
  const told = declined.slice(0, toldMax).map(({ operator, reason }) => `${operator}: ${passReason(reason)}`);
  const more = declined.length - told.length;
  return `${told.join('; ')}${more > 0 ? `; and ${more} more` : ''}`;
}

/** The account of a run: the one place where its state, its reason and what to do about it are derived from what is known. */
export function accountOf(facts: AccountFacts): Account {
  const account = withDifference(stateOf(facts), facts);
  const { alarming, acknowledged, trustedFailures = [] } = facts;
  const isAlarming = runAlarmOf(account.state, facts) !== undefined;
  const parts = [account.reason];
  if (alarming === true && account.state !== 'disputed')
    parts.push('the trusted worker contradicted what operators had agreed on before');
  if (!withoutFailures.has(account.state)) parts.push(...trustedFailures.map(failureText));
  const over = ended.has(facts.state) || account.state === 'lost';
  return { ...account, reason: parts.join('; '), over, alarm: isAlarming && acknowledged !== true };
}

/** Their reason says why nothing comes of the run, whatever trusted workers did. */
const withoutFailures: ReadonlySet<string> = new Set(['revoked', 'cancelled', 'lost', 'aborted']);

const failureText = ({ worker, says, refused, delayed }: TrustedFailure): string =>
  `trusted worker ${shortId(worker)} ${refused === true ? 'refused to sign' : delayed === true ? 'did not sign yet' : 'failed'}: ${says}`;

export const accountLine = ({ state, reason }: { state: string; reason: string }): string =>
  reason === '' ? state : `${state}: ${reason}`;

type Stated = Pick<Account, 'state' | 'reason' | 'next'>;

const ended: ReadonlySet<string> = new Set(['done', 'cancelled']);

/** Publishing the same commit again. */
function again({ ref, commit, recipe }: AccountFacts): NextStep {
  if (ref === undefined || commit === undefined)
    return { says: 'publish it again', command: 'quorate run --failed' };
  const short = shortRef(ref);
  const words = [
    ...['quorate', 'run', '--failed', '--ref', short],
    ...(recipe === undefined ? [] : ['--file', `${recipe.repo}@${recipe.commit}:${recipe.path}`]),
  ];
  return {
    says: `publish it again: this builds the commit that ${short} is at by then, which was ${commit.slice(0, 10)}`,
    // A command to copy holds nothing that a shell reads otherwise.
    ...(words.every((word) => /^[\w./@:+-]+$/.test(word)) &&
      !short.startsWith('-') && { command: words.join(' ') }),
  };
}

const changedHost: NextStep = {
  says: 'with "image: host" a build fails where its worker lacks a program, and no more once that is installed: if the log of the one that failed says so, there is nothing to revoke',
};

/** The account of a run, where another run of the same job came to something else. */
function withDifference(account: Stated, { state, differs }: AccountFacts): Stated {
  if (differs === undefined || differs.voided === true || state !== 'done' || !comparable.has(account.state))
    return account;
  const other = `run ${differs.run.slice(0, 10)}`;
  const says =
    differs.later === true
      ? `${other} built it again, and came to something else`
      : `it was built again, and ${other} had come to something else`;
  if (account.state === 'failed') return { ...account, reason: `${account.reason}; ${says}` };
  const { made, other: theirs } = differs;
  const [before, after] = differs.later === true ? [made, theirs] : [theirs, made];
  // As where one of the two failed.
  const withoutOne = before === null || after === null;
  const compare =
    withoutOne || before === after
      ? { says: 'read what the other one did', command: `quorate show ${differs.run.slice(0, 10)}` }
      : { says: 'compare what they made', command: `quorate diff ${before} ${after}` };
  return {
    state: 'differs',
    reason: `${says}; ${account.reason}`,
    next: [
      compare,
      ...(withoutOne ? [changedHost] : []),
      { says: 'find what the build depends on', command: 'quorate try --vary' },
      {
        says: `${withoutOne ? 'else ' : ''}revoke the artifact that is wrong, which ends this`,
        command: 'quorate revoke <artifact>',
      },
    ],
  };
}

/** The reason for which a run ends that a restored journal does not have whole. */
export const lostInRestore =
  'the journal of the controller was restored from a copy, and what came of this run since is in no copy';

const comparable: ReadonlySet<string> = new Set(['trusted', 'agreed', 'failed']);

function stateOf(facts: AccountFacts): Stated {
  const { state, level, reason, limit, revoked, cancelled } = facts;
  if (revoked !== undefined) return revokedOf(facts, revoked);
  if (state === 'lost')
    return { state: 'lost', reason: 'the controller does not know it any more', next: [again(facts)] };
  if (cancelled === lostInRestore) return { state: 'lost', reason: lostInRestore, next: [again(facts)] };
  if (state === 'cancelled')
    return {
      state: 'cancelled',
      reason: withCause(cancelled ?? '', facts),
      next: [...causeSteps(facts), again(facts)],
    };
  const shown = level === null ? null : shownLevel(level, reason);
  switch (shown) {
    case 'disputed':
    case 'unfinished':
      if (limit !== undefined) return abortedAt(facts, limit);
      return withoutResult(facts, shown);
    case 'failed':
      return failed(facts);
    case 'trusted':
      return {
        state: 'trusted',
        reason:
          facts.cosigned === false
            ? `${agreeing(facts)} and witnesses signed the log; nobody co-signed`
            : `${agreeing(facts)} and ${signers(facts)} co-signed`,
        next: fetchSteps(facts),
      };
    case 'agreed':
      return agreed(facts);
    case null:
      return undecided(facts);
  }
}

/** The reason of a run that fell with another one, which names that one: it may name only the one in between. */
function withCause(reason: string, { fellWith }: AccountFacts): string {
  if (fellWith === undefined || reason.startsWith(`${fellWith.name}, `)) return reason;
  return `${reason}: ${fellWith.name} ${fellWith.how}`;
}

function causeSteps({ fellWith }: AccountFacts): NextStep[] {
  if (fellWith === undefined) return [];
  const { name, how, run } = fellWith;
  return [{ says: `look why ${name} ${how}`, command: `quorate show ${run.slice(0, 10)}` }];
}

const show = ({ run }: AccountFacts): NextStep[] =>
  run === undefined ? [] : [{ says: 'read what happened', command: `quorate show ${run.slice(0, 10)}` }];

const logs = ({ run }: AccountFacts): NextStep[] =>
  run === undefined ? [] : [{ says: 'read the logs', command: `quorate logs ${run.slice(0, 10)}` }];

function fetchSteps({ artifact, test }: AccountFacts): NextStep[] {
  if (artifact === null || artifact === undefined || test === true) return [];
  return [{ says: 'get it', command: `quorate fetch ${artifact} -o ../out` }];
}

/** `2 of 3 operators built the same`: as many as did. */
function agreeing({ policy, earlier, test, tally }: AccountFacts): string {
  const did = test === true ? 'came to the same result' : 'built the same';
  // The policy of that one may be another, and its evidence meets this one.
  if (earlier !== undefined) return `enough operators ${did} in an earlier run`;
  if (policy === undefined) return `operators ${did}`;
  const { agree, of } = policy;
  return `${tally?.same ?? `${agree} or more`} of ${of} operators ${did}`;
}

/** `the trusted worker`, where a co-signature is asked for. */
const signers = ({ policy }: AccountFacts): string => signersText({ ...policy, cosign: true });

/** `3 operators`: as many as the build failed at. */
const failing = ({ policy, tally }: AccountFacts): string =>
  tally !== undefined && tally.failed > 0
    ? counted(tally.failed, 'operator')
    : policy === undefined
      ? 'enough operators'
      : `${policy.agree} or more operators`;

function revokedOf(facts: AccountFacts, revoked: NonNullable<AccountFacts['revoked']>): Stated {
  const { fellWith } = facts;
  const isArtifact = revoked !== true && revoked.what === 'artifact' && fellWith === undefined;
  return {
    state: 'revoked',
    reason:
      revoked === true
        ? 'its verdict does not stand any more'
        : `${fellWith === undefined ? '' : `it rests on ${fellWith.name}, which ${fellWith.how}: `}the ${revoked.what} ${shortId(revoked.id)} was revoked from leaf ${revoked.since} of the log on: ${revoked.reason}`,
    next: [
      ...(facts.artifact == null ? [] : [{ says: 'do not use the artifact' }]),
      isArtifact
        ? { says: 'publish a commit that makes other bytes' }
        : { says: 'have it built by others', command: 'quorate run --rebuild' },
    ],
  };
}

function abortedAt(facts: AccountFacts, limit: string): Stated {
  const next = [
    { says: 'have the build stay below the limit, or raise it where the job sets it' },
    ...logs(facts),
  ];
  return { state: 'aborted', reason: limit, next };
}

function withoutResult(facts: AccountFacts, state: 'disputed' | 'unfinished'): Stated {
  const text = endingText(facts.reason);
  const { run, tally, policy } = facts;
  const found =
    facts.reason === 'aborted' || facts.reason === 'outputs-refused'
      ? tally?.aborted
      : facts.reason === 'too-few' && tally !== undefined && policy !== undefined
        ? `${tally.ended} did, and ${policy.agree} have to agree`
        : undefined;
  const compare: NextStep[] =
    state === 'unfinished' || run === undefined
      ? []
      : [{ says: 'compare the results', command: `quorate diff ${run.slice(0, 10)}` }];
  return {
    state,
    reason: [text?.says ?? facts.reason ?? '', ...(found === undefined ? [] : [found])].join(': '),
    next: [
      ...(text === undefined ? [] : [{ says: text.advice }]),
      ...compare,
      ...(text?.hasLogs === true ? logs(facts) : show(facts)),
    ],
  };
}

function failed(facts: AccountFacts): Stated {
  const what = facts.test === true ? 'the test' : 'the build';
  const both = facts.cosigned === false ? '' : ` and at ${signers(facts)}`;
  return {
    state: 'failed',
    reason: `${what} failed at ${failing(facts)}${both}`,
    next: [...logs(facts), { says: 'mend it, and publish the commit that does' }],
  };
}

function fetched({ fetching }: Partial<OpenFacts> = {}): string {
  const says = 'the bytes are being fetched';
  return fetching === undefined
    ? says
    : `${says}: ${transferText(fetching)}, from ${fetching.from.join(', ')}`;
}

/** The account of a run whose published verdict is `agreed`. */
function agreed(facts: AccountFacts): Stated {
  const { state, awaits = [], missing } = facts;
  const same = agreeing(facts);
  const of = (reason: string, ...next: NextStep[]): Stated => ({
    state: awaits.length > 0 ? 'provisional' : 'agreed',
    reason: `${same}; ${reason}`,
    next,
  });
  if (state === 'done')
    return facts.cosigned === false
      ? of('nothing more can come of it without a co-signature')
      : of('no trusted worker signed it in time', {
          says: 'publish it again, with a trusted worker',
          command: 'quorate run --failed',
        });
  if (state === 'witnessing') return of(waitsForWitnesses(missing));
  if (state === 'cosigning') return of(`it waits for the signature of ${signers(facts)}`);
  if (awaits.length > 0) return of(`it reads ${awaits.join(', ')}, which is not trusted yet`);
  const { says, next } = trustedWorker(facts.open);
  return of(says, ...next);
}

/** Why the trusted worker has not signed yet, and what helps. */
function trustedWorker(open: OpenFacts | undefined): { says: string; next: NextStep[] } {
  const start = { says: 'start the trusted worker: it builds what waits' };
  if (open?.trusted === 'building') return { says: 'the trusted worker builds it', next: [] };
  if (open?.trusted === 'free' && open.trustedConnected !== true)
    return { says: 'it waits for the trusted worker, and none is connected', next: [start] };
  const said = open?.trusted === 'free' ? open.trustedPassed : undefined;
  if (said === undefined) return { says: 'it waits for the trusted worker', next: [] };
  return {
    says: `it waits for the trusted worker, which declines: ${passReason(said)}`,
    next: [
      said.startsWith('paused')
        ? { says: 'let it go on, where the trusted worker runs', command: 'quorate worker resume' }
        : isBusyPass(said)
          ? { says: 'wait until its builds end' }
          : { says: 'have the trusted worker lend what it lacks, or lower what the job asks for' },
    ],
  };
}

function waitsForWitnesses(missing: AccountFacts['missing']): string {
  if (missing === undefined) return 'it waits for witnesses of the log';
  const { operators, operatorsNeeded, named, namedNeeded } = missing;
  const also = namedNeeded === 0 ? '' : ` and ${named.length} of ${namedNeeded} named witnesses`;
  return `it waits for witnesses of the log: ${operators.length} of ${operatorsNeeded} operators${also} have signed`;
}

/** The account of a run without a published verdict. */
function undecided(facts: AccountFacts): Stated {
  const { state, awaits = [], open } = facts;
  const waiting = (reason: string, next: NextStep[] = []): Stated => ({ state: 'waiting', reason, next });
  switch (state) {
    case 'waiting':
      return waiting(`for ${awaits.length === 0 ? 'the jobs that it needs' : awaits.join(', ')}`);
    case 'answering':
      return waiting('it was built before, and the artifact is looked for');
    case 'answer-cosigning': {
      const isAway = open !== undefined && open.trustedConnected !== true;
      const next = isAway ? [{ says: 'start the trusted worker: it signs what waits' }] : [];
      const away = isAway ? ', and none is connected' : '';
      return waiting(
        `it was built before, and the answer waits for the signature of a trusted worker${away}`,
        next,
      );
    }
    case 'building':
      return open === undefined ? { state: 'building', reason: '', next: [] } : round(facts, open);
    case 'pinning':
      return { state: 'provisional', reason: `${agreeing(facts)}; ${fetched(open)}`, next: [] };
    case 'awaiting-trusted': {
      const { says, next } = trustedWorker(open);
      const { failed = 0, aborted } = facts.tally ?? {};
      const found =
        failed === 0 && aborted !== undefined
          ? `builds were aborted (${aborted}), which counts once the trusted worker's is aborted too`
          : `it failed at ${failing(facts)}, which counts once it fails at ${signers(facts)}`;
      return waiting(`${found}: ${says}`, next);
    }
    case 'held':
      return waiting(
        `for ${awaits.length === 0 ? 'its inputs' : awaits.join(', ')} to be trusted: until then its result may be their fault`,
      );
    case 'cosigning':
      return waiting(`for the signature of ${signers(facts)}`);
    case 'witnessing':
      return waiting(waitsForWitnesses(facts.missing));
    default:
      return waiting(state);
  }
}

function round({ policy }: AccountFacts, open: OpenFacts): Stated {
  const of = policy === undefined ? '' : ` of ${policy.of}`;
  const are = open.sealed === 1 ? 'result is' : 'results are';
  const inAlready = open.sealed === 0 ? '' : `${open.sealed}${of} ${are} in, sealed`;
  if (open.building.length > 0) {
    const who = `${counted(open.building.length, 'operator')}: ${open.building.join(', ')}`;
    const reason = inAlready === '' ? `by ${who}` : `by ${who}; ${inAlready}`;
    return { state: 'building', reason, next: [] };
  }
  const { says, next } = waitsForOperators(open, policy?.agree);
  if (open.sealed === 0) return { state: 'waiting', reason: says, next };
  return { state: 'sealed', reason: `${inAlready}; waiting ${says}`, next };
}
