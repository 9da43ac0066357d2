import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Table, tableFrom } from '../report/csv.ts';
import { type Figure, writeFigures } from '../report/figure.ts';
import { cellOf, percent } from './figures/table.ts';

/** The figures of the page; the others are written where `--out` says. */
export const figuresOfPage = [
  'karma',
  'price',
  'sleeper',
  'taken-over',
  'attackers',
  'accepted',
  'size',
  'operators',
  'noticed',
  'cost',
  'invite',
] as const;
export const pictures = 'docs/images/attackers';
export const page = 'docs/why-no-karma.md';
const usual = '2 of 3 + co-signature';
const schemes = {
  boinc: 'BOINC adaptive replication',
  sarmenta: 'credibility (Sarmenta)',
  double: 'double vote for good hosts',
};

export function writePage(figures: readonly Figure[], root: string, command: string): void {
  const folder = join(root, pictures);
  mkdirSync(folder, { recursive: true });
  writeFigures(
    figures.filter(({ name }) => figuresOfPage.some((one) => one === name)),
    folder,
    command,
  );
  writeFileSync(join(root, page), pageOf(storedTables(folder), command));
}

export type Tables = Readonly<Record<(typeof figuresOfPage)[number], Table>>;

/** The tables of figures that were written. */
export function storedTables(folder: string): Tables {
  const read = (name: string) => tableFrom(readFileSync(join(folder, `${name}.csv`), 'utf8'));
  return Object.fromEntries(figuresOfPage.map((name) => [name, read(name)])) as Tables;
}

const picture = (name: (typeof figuresOfPage)[number], says: string) =>
  `![${says}](images/attackers/${name}.svg)\n[numbers](images/attackers/${name}.csv)`;

export function pageOf(tables: Tables, command: string): string {
  const trusted = (policy: string, share = 20) =>
    percent(cellOf(tables.accepted, { policy, share_percent: share }, 'trusted'));
  const taken = (policy: string, share: number) =>
    percent(cellOf(tables['taken-over'], { policy, share_percent: share }, 'trusted'));
  const takenLoud = (policy: string, share: number) =>
    percent(cellOf(tables['taken-over'], { policy, share_percent: share }, 'exact_loud'));
  const won = (attack: string, oneVote = 'yes', policy = '2 of 3', share = 20) =>
    percent(cellOf(tables.attackers, { attack, one_vote: oneVote, policy, share_percent: share }, 'trusted'));
  const paid = (scheme: string, months: number) =>
    percent(cellOf(tables.karma, { scheme, months }, 'accepted'));
  const slept = (scheme: string, day: number) =>
    cellOf(tables.sleeper, { scheme, day }, 'accepted_so_far').toFixed(0);
  const builds = (scheme: string) => cellOf(tables.price, { scheme }, 'builds_per_artifact').toFixed(1);
  const cost = (policy: string, share: number) =>
    cellOf(tables.cost, { policy, share_percent: share }, 'builds_per_artifact').toFixed(1);
  const party = (invites: number, policy: string, operators: number) =>
    percent(cellOf(tables.size, { party: `${invites} invites`, policy, operators }, 'agreed'));
  const lacks = (policy: string, operators: number) =>
    percent(cellOf(tables.operators, { policy: `${policy} + co-signature`, operators }, 'failed'));
  const unseen = (policy: string) => percent(cellOf(tables.noticed, { policy }, 'by_nobody'));
  const invite = (policy: string, column: string, behaviour: string) =>
    cellOf(tables.invite, { behaviour, policy: `${policy} + co-signature`, operators: 20 }, column);
  return `# Why no karma

Quorate keeps no score of workers. This page shows why, and which policy to choose. Each number is a share of simulated jobs: \`${command} --docs\` makes the page and its figures again. For your own project: \`quorate policy\`.

## Choose

| choose | if | a tampered artifact is trusted, one operator in five hostile | builds for each artifact |
|---|---|---|---|
| \`agree: 2, of: 3, cosign: required\` (the default) | you invite people you do not know | ${trusted(usual)}; ${takenLoud(usual, 20)} where they hold the trusted worker, too | ${builds(usual)} |
| \`agree: 1, of: 1, cosign: required\` | builds are dear, and the trusted worker’s host is safe | ${trusted('1 of 1 + co-signature')}; ${takenLoud('1 of 1 + co-signature', 20)} | ${builds('1 of 1 + co-signature')} |
| \`agree: 4, of: 7, cosign: required\` | the trusted worker may be taken over, and fewer than half of the operators are hostile | ${trusted('4 of 7 + co-signature')}; ${takenLoud('4 of 7 + co-signature', 20)} | ${cost('4 of 7 + co-signature', 0)} |
| \`agree: 2, of: 3, cosign: none\` | for tests; or you know everybody you invite, and the controller’s host is safe | ${trusted('2 of 3')} | ${cost('2 of 3', 0)} |

${picture('accepted', 'Accepted tampered artifacts by policy and attackers’ share')}

From half of the operators on, larger quorums help the attackers: with three in five, they win ${trusted('4 of 7', 60)} of the jobs under 4 of 7 alone, and ${trusted('1 of 1', 60)} under one worker. Only the co-signature holds there.

## Why not karma?

${picture('karma', 'Accepted tampered artifacts by months of good behaviour: they rise under adaptive replication and credibility, and stay under agreement')}

A fifth of the hosts behave well, and tamper once, on the day it pays. From the project’s first day to the end of a year adaptive replication takes them from ${paid(schemes.boinc, 0)} to ${paid(schemes.boinc, 12)}, credibility from ${paid(schemes.sarmenta, 0)} to ${paid(schemes.sarmenta, 12)}. A double vote adds nothing to plain 2 of 3 (${paid('2 of 3', 12)}): honest hosts have it, too. With a co-signature: ${paid(usual, 12)}.

${picture('price', 'Builds for each artifact against accepted tampered artifacts, by scheme')}

**Where a score wins: the price.** Adaptive replication needs ${builds(schemes.boinc)} builds for each artifact, credibility ${builds(schemes.sarmenta)}, 2 of 3 + co-signature ${builds(usual)}. A wrong result of one work unit among millions is cheap; a back door in one release is not. One worker and a co-signature cost ${builds('1 of 1 + co-signature')}.

## What does a sleeper gain?

${picture('sleeper', 'Tampered artifacts accepted by days after the turn')}

Here the same hosts tamper with every job after their year. Of the first 100 artifacts ${slept(schemes.boinc, 1)} are tampered ones under adaptive replication, ${slept(schemes.sarmenta, 1)} under credibility, ${slept('2 of 3', 1)} under 2 of 3, ${slept(usual, 1)} with a co-signature. **Then a score learns:** of 3,000 in thirty days, ${slept(schemes.sarmenta, 30)} under credibility, ${slept(schemes.double, 30)} with a double vote, ${slept('2 of 3', 30)} under 2 of 3, which forgets. Against those who go on, the owner revokes the invite.

## Why not one trusted builder alone?

${picture('taken-over', 'Accepted tampered artifacts where the trusted worker is taken over, by its party’s share of the operators')}

Who takes over a single builder wins every job, and nobody notices. Under 2 of 3 + co-signature the thief also needs operators: ${taken(usual, 10)} of the jobs with one in ten, ${taken(usual, 20)} with one in five, ${taken(usual, 40)} with two in five, if it tampers only with N slots in hand. One that forces both rounds gets ${takenLoud(usual, 10)}, ${takenLoud(usual, 20)} and ${takenLoud(usual, 40)}; more rounds give it more (\`quorate policy --rounds\`). **A taken-over trusted worker with enough colluders wins**.

## Why not N of M alone?

${picture('attackers', 'Attackers against 2 of 3 without a co-signature, by their share')}

With a fifth of the operators: ${won('independent tamperers')} for tamperers that do not know each other, ${won('many invites')} for one party with many invites, ${won('colluders that stall')} if every second honest lease is lost beside it, ${won('controller grinds the seed')} if the controller tries 32 seeds of the draw, ${won('controller invents operators')} if it invents operators. With a co-signature: ${won('controller invents operators', 'yes', usual)}.

One invite, one vote: a party with a fifth of the *machines* on one invite gets ${won('many keys')}; where each key votes, ${won('many keys', 'no')}. Sealed rounds: copiers get ${won('copiers')}; where receipts are seen as they come, ${won('copiers, receipts not sealed')}.

${picture('noticed', 'Who notices a tampered artifact that was agreed')}

With two attackers in five nobody notices ${unseen('2 of 2')} of what they get agreed under 2 of 2, ${unseen('2 of 3')} under 2 of 3, ${unseen('4 of 7')} under 4 of 7; elsewhere an honest operator’s other result stands beside it.

## How many operators?

${picture('size', 'What a party wins without a co-signature, by the number of operators')}

The share counts, not the size: a fifth wins the same among 100 and 100,000. Two dishonest invites win ${party(2, '2 of 3', 10)} among 10 operators, ${party(2, '2 of 3', 100)} among 100; five win ${party(5, '2 of 3', 100)} among 100.

${picture('operators', 'Honest runs that fail for lack of operators, by the number of operators')}

With operators that are there seven times in ten, 2 of 3 fails ${lacks('2 of 3', 3)} of honest runs with 3 enrolled, ${lacks('2 of 3', 7)} with 7; 4 of 7 fails ${lacks('4 of 7', 7)} with 7.

## What does one dishonest invite cost the others?

${picture('invite', 'Extra builds by the number of operators')}

One tamperer among 20 operators costs ${invite('2 of 2', 'extra_builds_per_100', 'tampers-alone').toFixed(0)} builds for every 100 artifacts under 2 of 2, ${invite('2 of 3', 'extra_builds_per_100', 'tampers-alone').toFixed(0)} under 2 of 3: one dissenter opens no round. One that keeps its leases and delivers nothing costs ${invite('2 of 3', 'extra_hours', 'silent').toFixed(1)} hours a run.

${picture('cost', 'Builds for each honest artifact, by the attackers’ share')}

With two attackers in five: ${cost(usual, 40)} builds for each honest artifact under 2 of 3 + co-signature.

## How it is computed

Draw and decision are production’s. Up to twelve operators the real controller and workers lease the same slots and end alike (\`test/simulations/attackers/protocol.test.ts\`); above, they are left out. Closed forms agree (\`test/simulations/attackers/closed-forms.test.ts\`). Assumed: 1,000 operators where nothing else is said, two rounds, builds of half an hour to two hours, leases of four, a trusted worker after two. Reputation: 200 hosts, 100 jobs a day, one honest build in 200 wrong, volunteers stay 200 days. Attackers have one simple strategy each: cleverer ones may do better.

| scheme | rule | source |
|---|---|---|
| adaptive replication | CV: results in a row that another host confirmed, 0 after a wrong one; from 10 on a host is believed alone with probability 1 − 1/CV, else two must agree | BOINC \`sched_send.cpp\` (\`set_trust\`), \`validator.cpp\` |
| credibility | after k passed spot-checks 1 − f/((1 − f)·k·e), before 1 − f; f = 20 %, one job in ten is a check, threshold 99 % | Sarmenta 2002: abstract read, formulas from memory |
| double vote | two votes after 20 accepted results in a row; more than half of the votes of three hosts or more | ours |
`;
}
