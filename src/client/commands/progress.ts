import {
  type BuildState,
  buildText,
  eventText,
  firstOfMost,
  type RunState,
  verdictText,
} from '../../protocol/account/index.ts';
import { escapeLine } from '../../protocol/base/escape.ts';
import { capitalised } from '../../protocol/base/quantity.ts';
import { recipeText } from '../../protocol/base/recipe-name.ts';
import { notCosigned } from '../../protocol/trust/not-cosigned.ts';
import { passReason } from '../../protocol/wire/pass-reason.ts';
import type { Progress } from '../../protocol/wire/progress.ts';
import { buildersText } from '../../protocol/wire/told-policy.ts';
import { duration, shortId } from '../../terminal/format.ts';
import type { Board, Colours, Row } from '../../terminal/output.ts';
import { toldState } from './job-list.ts';

interface Slot {
  operator: string;
  /** Begin of the row: slot, operator, worker. */
  head: string;
  /** Shortens the row: without the worker's id. */
  brief: (row: string) => string;
  leasedAt: number | undefined;
  /** Until the result was in. */
  tookMs: number | undefined;
  does: BuildState;
  result: string | undefined;
}
type OfSlot = Extract<Progress, { kind: 'leased' | 'delivered' | 'lost' }>;

/** Pairs of artifacts that are named for a comparison, of a round whose builds all differ. */
const pairsShownMax = 3;

/** Colours of events that are shown in words. */
const paints: Partial<Record<Progress['kind'], 'plain' | 'dim' | 'yellow' | 'red'>> = {
  waiting: 'dim',
  reopened: 'yellow',
  'input-lost': 'red',
  'answer-failed': 'yellow',
  'answer-cosigning': 'dim',
  'answer-refused': 'yellow',
  failed: 'red',
  unconfirmed: 'yellow',
  contradicted: 'red',
  'pin-failed': 'red',
  cosigning: 'dim',
  'cosign-delayed': 'yellow',
  'cosign-refused': 'red',
  witnessing: 'dim',
  unwitnessed: 'yellow',
  cancelled: 'yellow',
  revoked: 'red',
  restored: 'plain',
};
/** Events that alarm, or end an alarm: until evidence shows one, the controller may have made it up. */
const alarms: readonly Progress['kind'][] = [
  'contradicted',
  'cosign-refused',
  'revoked',
  'restored',
  'repeated',
];
/** Events after which the rows of slots change no more. */
const endsRows: readonly Progress['kind'][] = ['reopened', 'input-lost', 'unwitnessed', 'cancelled'];

function sentence(progress: Progress, isVerified = false): string {
  const told = eventText(progress);
  const text = alarms.includes(progress.kind) && !isVerified ? `the controller says: ${told}` : told;
  return `${capitalised(text)}${text.endsWith('.') ? '' : '.'}`;
}

/** Shows the progress of a run: a row per slot that changes in place, and a line for each other event. */
export class ProgressView {
  readonly #board: Board;
  readonly #colours: Colours;
  readonly #levelText: typeof toldState;
  /** Operators that take no slot of this round, by their reason. */
  readonly #passes = new Map<string, string[]>();
  /** Lines on that which were printed, where rows cannot change. */
  readonly #saidPasses = new Set<string>();
  readonly #slots = new Map<string, Slot>();
  #of = 0;
  /** As the round revealed them. */
  #results: readonly { result: string; slot: number | string }[] = [];
  #saidFiles: string | undefined;

  /** `levelText`: words for a level, which say whether it is verified unless something else does. */
  constructor(board: Board, colours: Colours, levelText: typeof toldState = toldState) {
    this.#board = board;
    this.#colours = colours;
    this.#levelText = levelText;
  }

  end(): void {
    this.#board.end();
  }

  /** `isVerified`: by the evidence of the run, and not by the controller alone. */
  show(at: number, progress: Progress, isVerified = false): void {
    const { bold, green, red, yellow, dim } = this.#colours;
    const say = (line: string) => this.#board.say(line);
    switch (progress.kind) {
      case 'accepted':
        say(
          `${progress.test ? 'test ' : ''}${bold(progress.name)} of ${escapeLine(progress.repo, 200)} ${escapeLine(progress.ref, 80)}`,
        );
        say(dim(`commit ${progress.commit.slice(0, 12)}, job ${shortId(progress.job)}`));
        if (progress.recipe !== undefined)
          say(dim(`by the job file ${escapeLine(recipeText(progress.recipe), 500)}`));
        return;
      case 'round':
        this.#board.end();
        this.#slots.clear();
        this.#passes.clear();
        this.#of = progress.of;
        return say(`Round ${progress.round}: ${buildersText(progress)}`);
      case 'inputs':
        for (const [name, artifact] of Object.entries(progress.inputs))
          say(dim(`reads ${name}: ${this.#board.id(artifact)}`));
        return;
      case 'answered':
        return say(`${sentence(progress)} To have it built again: --rebuild`);
      case 'repeated':
        this.#board.end();
        return say((progress.same ? (isVerified ? green : String) : red)(sentence(progress, isVerified)));
      case 'leased':
        return this.#building(at, progress);
      case 'passed':
        return this.#passed(progress.operator, escapeLine(passReason(progress.reason), 200));
      case 'delivered':
        return this.#delivered(at, progress);
      case 'lost':
        this.#slot(progress).does = 'lost';
        return this.#row(progress, `lost: ${escapeLine(progress.reason, 80)}`, { paint: red });
      case 'unfilled':
        return say(yellow(this.#unfilled(progress)));
      case 'revealed':
        for (const { slot, operator, worker, result } of progress.results) {
          Object.assign(this.#slot({ slot, operator, worker }), { result, does: 'revealed' });
          const of = { slot, operator, worker };
          this.#row(of, `${shownResult(result)}${took(this.#slot(of))}`);
        }
        this.#results = progress.results;
        return this.#aborted(progress.results);
      case 'differs':
        return this.#differs(progress.files, progress.count);
      case 'compared': {
        const text = differingFilesText(progress.files, progress.count);
        if (progress.count > 0 && text !== this.#saidFiles) this.#sayFiles(progress.files, progress.count);
        return;
      }
      case 'agreed':
        return this.#agreed(progress.artifact, progress.by);
      case 'cancelled':
        this.#ended('cancelled');
        return this.#event(progress);
      case 'verdict': {
        // Printed already, with the operators; the co-signature is pending.
        if (progress.level === 'agreed' && !isVerified) return;
        if (progress.level !== 'agreed') {
          this.#ended(progress.level);
          this.#board.end();
        }
        if (progress.reason === 'not-taken' || progress.reason === 'too-few') this.#sayPasses();
        const { level } = progress;
        const paint = isVerified && level !== 'failed' ? green : level === 'trusted' ? yellow : red;
        const { artifact, reports, cosigned } = progress;
        const id = (of: string) => this.#board.id(of);
        const about = artifact !== null ? id(artifact) : reports && `reports ${id(reports)}`;
        const text = escapeLine(verdictText(progress), 300);
        const says = bold(paint(this.#levelText(text, isVerified)));
        say(`${says}${about === undefined ? '' : ` ${about}`}`);
        if (cosigned === false) say(yellow(notCosigned));
        return;
      }
      default:
        return this.#event(progress, isVerified);
    }
  }

  /** An event in words. A newer controller may send others, which are not shown. */
  #event(progress: Progress, isVerified = false): void {
    const paint = paints[progress.kind];
    if (paint === undefined) return;
    if (endsRows.includes(progress.kind)) this.#board.end();
    const says = sentence(progress, isVerified);
    this.#board.say(paint === 'plain' ? says : this.#colours[paint](says));
  }

  /** Rows of builds that ran until the end of the run. */
  #ended(state: RunState): void {
    for (const [key, slot] of this.#slots) {
      if (slot.does !== 'building' && (slot.does !== 'sealed' || state !== 'cancelled')) continue;
      const text = `${slot.head} ${buildText(slot.does, { over: true, state })}`;
      this.#board.set(key, { text, brief: slot.brief });
    }
  }

  #unfilled({ slots, absent }: Extract<Progress, { kind: 'unfilled' }>): string {
    const of = (does: BuildState) =>
      [...this.#slots].flatMap(([key, slot]) =>
        slot.does === does && key !== 'trusted' ? [slot.operator] : [],
      );
    const named = (operators: readonly string[], what: string) =>
      operators.length === 0
        ? []
        : [`${operators.length} ${what} (${escapeLine(operators.join(', '), 200)})`];
    const [lost, building] = [of('lost'), of('building')];
    const taken = [...this.#slots.keys()].filter((key) => key !== 'trusted').length;
    const free = Math.min(slots, Math.max(0, this.#of - taken));
    // Of these a result is told, which is no vote.
    const aborted = slots - free - lost.length - building.length;
    const why = [
      ...(free === 0
        ? []
        : [`${free} not taken${absent === true ? ', and nobody is connected who could' : ''}`]),
      ...(aborted <= 0 ? [] : [`${aborted} aborted`]),
      ...named(lost, 'lost'),
      ...named(building, 'ended with the round'),
    ];
    return `Slots without a result: ${why.join('; ')}.`;
  }

  /** Told at once; on a terminal as a row that grows, so that many operators with one reason take one line. */
  #passed(operator: string, reason: string): void {
    const operators = this.#passes.get(reason) ?? [];
    operators.push(operator);
    this.#passes.set(reason, operators);
    if (this.#board.live)
      return this.#board.set(`pass ${reason}`, {
        text: passText(operators, reason),
        paint: this.#colours.yellow,
      });
    // Once, whatever number of rounds it is said in.
    const line = passText([operator], reason);
    if (!this.#saidPasses.has(line)) this.#board.say(this.#colours.yellow(line));
    this.#saidPasses.add(line);
  }

  #sayPasses(): void {
    for (const [reason, operators] of this.#passes)
      this.#board.say(this.#colours.yellow(passText(operators, reason)));
  }

  #building(at: number, progress: OfSlot): void {
    const slot = this.#slot(progress);
    Object.assign(slot, { leasedAt: at, tookMs: undefined, does: 'building', result: undefined });
    const changing = () => `${slot.head} building ${duration(Math.max(0, Date.now() - at))}`;
    this.#row(progress, 'building', { changing });
  }

  #delivered(at: number, progress: OfSlot): void {
    const slot = this.#slot(progress);
    const { leasedAt } = slot;
    slot.does = 'sealed';
    slot.tookMs = leasedAt === undefined ? undefined : Math.max(0, at - leasedAt);
    this.#row(progress, `done${took(slot)}, sealed`);
  }

  /** Prints the reasons of aborted builds above the rows, which are truncated to the terminal's width. */
  #aborted(results: readonly { operator: string; result: string }[]): void {
    if (!this.#board.live) return;
    for (const result of new Set(results.map((one) => one.result))) {
      if (!result.startsWith('aborted: ')) continue;
      const who = results.filter((one) => one.result === result).map(({ operator }) => operator);
      this.#board.say(this.#colours.yellow(`${escapeLine(who.join(', '), 200)}: ${shownResult(result)}`));
    }
  }

  #differs(files: readonly string[], count: number): void {
    const { dim } = this.#colours;
    this.#sayFiles(files, count);
    for (const [a, b] of this.#differingPairs()) this.#board.say(dim(`Compare them: quorate diff ${a} ${b}`));
    this.#board.say(dim('What they depend on: quorate try --vary'));
  }

  #sayFiles(files: readonly string[], count: number): void {
    this.#saidFiles = differingFilesText(files, count);
    this.#board.say(this.#colours.yellow(this.#saidFiles));
  }

  /** The artifact that most operators of the round built, with each of the others; a few of these. */
  #differingPairs(): [string, string][] {
    const [most, ...others] = firstOfMost(this.#results.filter(({ result }) => isCid(result)));
    return most === undefined ? [] : others.slice(0, pairsShownMax).map((other) => [most, other]);
  }

  #agreed(artifact: string | null, by: string[]): void {
    const { green, red, yellow } = this.#colours;
    for (const [key, slot] of this.#slots) {
      if (slot.result === undefined) continue;
      const agrees = slot.result === (artifact ?? slot.result) && by.includes(slot.operator);
      // Its line with the result stands just above, and the next one names who agrees.
      if (agrees && this.#board.printsChanges) continue;
      const text = `${slot.head} ${shownResult(slot.result)} ${agrees ? 'agrees' : 'DIFFERS'}${took(slot)}`;
      this.#board.set(key, { text, brief: slot.brief, paint: agrees ? green : red });
      this.#board.settle(key);
    }
    const what = artifact === null ? 'no outputs' : this.#board.id(artifact);
    this.#board.say(`${yellow(this.#levelText('agreed'))} ${what} by ${by.join(', ')}`);
  }

  #row(of: Pick<OfSlot, 'slot' | 'operator' | 'worker'>, text: string, more: Omit<Row, 'text'> = {}): void {
    const { head, brief } = this.#slot(of);
    this.#board.set(String(of.slot), { text: `${head} ${text}`, brief, ...more });
  }

  /** A slot that is leased again has another operator. */
  #slot({ slot, operator, worker }: Pick<OfSlot, 'slot' | 'operator' | 'worker'>): Slot {
    const key = String(slot);
    const known = this.#slots.get(key);
    const name = slot === 'trusted' ? 'trusted' : `slot ${slot + 1} `;
    const head = `  ${name} ${operator.padEnd(8)} ${shortId(worker).padEnd(14)}`;
    if (known?.head === head) return known;
    const brief = (row: string) => `${name.trim()} ${row.slice(head.length + 1)} ${operator}`;
    const fresh: Slot = {
      operator,
      head,
      brief,
      leasedAt: undefined,
      tookMs: undefined,
      does: 'building',
      result: undefined,
    };
    this.#slots.set(key, fresh);
    return fresh;
  }
}

const took = ({ tookMs }: Slot): string => (tookMs === undefined ? '' : ` in ${duration(tookMs)}`);

/** Names of files in which results differ, escaped: each is somebody else's text. */
export function differingFilesText(files: readonly string[], count: number): string {
  const more = count - files.length;
  const names = files.map((name) => escapeLine(name, 200)).join(', ');
  return `Files that differ: ${names}${more > 0 ? ` and ${more} more` : ''}`;
}

const passText = (operators: readonly string[], reason: string): string =>
  `  declined by ${escapeLine(operators.join(', '), 200)}: ${reason}`;

const isCid = (result: string | undefined): result is string =>
  result !== undefined && /^baf[a-z2-7]{20,110}$/.test(result);

/** Text of a result: a CID, `exit 1`, or the reason for which the build was aborted. */
function shownResult(result: string): string {
  return isCid(result) ? shortId(result) : escapeLine(result, 600);
}
