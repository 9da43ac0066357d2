import { joseVerifier } from '../../../src/identity/verifier.ts';
import { joseDocuments } from '../../../src/node/ports.ts';
import type { Bundle } from '../../../src/protocol/documents/index.ts';
import { checker } from '../../../src/protocol/judge/index.ts';
import { LogCopy } from '../../../src/protocol/sessions/log-copy.ts';
import { RevocationBook } from '../../../src/protocol/sessions/revocation-book.ts';
import { type RunSource, RunVerifier } from '../../../src/protocol/sessions/run-verifier.ts';
import type { RunStand } from '../../../src/watcher/machine/status.ts';
import { EvidenceChecker, saidTrusted } from '../../../src/watcher/sessions/evidence-checker.ts';
import { at, commit, type Project, project, repo } from '../../support/project.ts';
import { Bench, rule, settingsOf } from '../watch-support.ts';

/** When the honest verdict of `makeProject` is decided, and seen by the watcher. */
const seenAt = at + 1_060;

/** Answers of a controller. */
export interface Answers {
  bundle: () => Bundle;
  /** The newest checkpoint that it shows. */
  note: string;
  grants: string[];
  leaves: readonly string[];
  charter: string;
  /** Revocations that it tells. */
  told: { charters: string[]; revocations: string[] };
}

export const answersOf = ({ bundle, leaves, charter }: Project): Answers => ({
  bundle: () => bundle,
  note: bundle.checkpoint,
  grants: [],
  leaves,
  charter: charter.raw,
  told: { charters: [charter.raw], revocations: [] },
});

export interface DeskOptions {
  /** Codes of guards that are off, to show what each prevents. */
  off?: string[];
  ageSecondsMax?: number;
}

/** A watcher's machine and verifier, with a controller that answers as it is told to, and a clock in the tester's hand. */
export class EvidenceDesk {
  readonly bench = new Bench(settingsOf({ url: repo, rules: [rule()] })).refs({ 'refs/heads/main': 1 }, true);
  answers: Answers;
  /** Seconds since the epoch, of this host. */
  now = seenAt;
  /** Questions of each kind that were asked. */
  readonly asked: string[] = [];
  /** Leaves that were kept on disk. */
  readonly kept: string[] = [];
  readonly verifier: RunVerifier;
  readonly #evidence: EvidenceChecker;
  #steady = 0;
  #book: Promise<RevocationBook> | undefined;

  constructor(answers: Answers, { off = [], ageSecondsMax = 600 }: DeskOptions = {}) {
    this.answers = answers;
    this.verifier = new RunVerifier({
      project,
      documents: joseDocuments,
      ageSecondsMax,
      check: checker(new Set(off)),
      log: new LogCopy({
        load: async () => [...this.kept],
        append: async (more) => void this.kept.push(...more),
      }),
      book: () => this.book(),
      now: () => this.now * 1000,
    });
    this.#evidence = new EvidenceChecker({
      verifier: this.verifier,
      steady: () => this.#steady,
      found: (run, proof) => void this.bench.say({ kind: 'proof', run, proof }),
    });
  }

  book(): Promise<RevocationBook> {
    this.#book ??= RevocationBook.open(project, joseVerifier);
    return this.#book;
  }

  /** A push of the commit, whose job `app` the watcher published as this run. */
  published(run: string, ref = 'refs/heads/main', of = commit): this {
    const { bench } = this;
    bench.say({ kind: 'refs', first: false, changed: [{ ref, commit: of, object: of }] });
    const [order] = bench.orders();
    if (order === undefined) throw new Error('nothing was ordered');
    bench.say({ kind: 'published', id: order.id, runs: [{ name: 'app', run }] });
    return this;
  }

  /** The controller says how runs stand; then the watcher looks at their evidence. */
  async says(...stands: RunStand[]): Promise<this> {
    this.bench.say({ kind: 'stands', stands });
    await this.look();
    return this;
  }

  /** The next look, this much later, in seconds. */
  async look(later = 0): Promise<void> {
    this.now += later;
    this.#steady += 1000 * later;
    await this.#evidence.look(this.source, saidTrusted(this.bench.machine.state));
  }

  /** The status that the forge shows; undefined where it was not told a new one. */
  forge(context = 'quorate/main/app'): { state: string; says: string } | undefined {
    return this.bench.tell().get(context)?.status;
  }

  get source(): RunSource {
    const ask = <T>(kind: string, answer: () => T | Promise<T>) => {
      this.asked.push(kind);
      return Promise.resolve().then(answer);
    };
    return {
      charter: () => ask('charter', () => this.answers.charter),
      checkpoint: () => ask('checkpoint', () => ({ note: this.answers.note, grants: this.answers.grants })),
      leaves: (from) => ask('leaves', () => this.answers.leaves.slice(from)),
      bundle: () => ask('bundle', () => this.answers.bundle()),
      revocations: (book) => ask('revocations', async () => void (await book.learn(this.answers.told))),
    };
  }
}

/** One line of a controller's listing. */
export const saidTrustedRun = (run: string): RunStand => ({ run, state: 'done', level: 'trusted' });
