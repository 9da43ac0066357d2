import { assert } from '../../protocol/base/errors.ts';
import { addTo } from '../../protocol/base/maps.ts';
import { compareTexts } from '../../protocol/base/text.ts';
import type { Recorded, RunFacts } from './facts.ts';
import { controllerLimits } from './limits.ts';
import { Pushes, type PushPage } from './pushes.ts';
import { type ListState, lowerBound, type RunFilter, RunLists } from './run-lists.ts';

/** Finds runs at a cost that does not grow with history. Follows from the runs, but for the state of those given back. */
export class RunIndex<Open extends RunFacts> {
  /** Runs that have not ended, in the order they were submitted. */
  readonly open = new Map<string, Open>();
  /** All runs, in the order they were submitted. */
  readonly #all: RunFacts[] = [];
  /** Where they are in `#all`, by run. */
  readonly #position = new Map<string, number>();
  readonly #receipts = new Map<string, { at: number; recorded: Recorded }>();
  /** Runs with a published verdict about an artifact, in the order they were submitted. */
  readonly #byArtifact = new Map<string, number[]>();
  /** Trees of results in a dispute that was told. */
  readonly #compared = new Map<string, number[]>();
  /** Where the runs of a publisher are, by operator, in the order they were submitted. */
  readonly #byPublisher = new Map<string, number[]>();
  /** Where the runs are that need what a run makes, by that one. As many entries as the requests name needs. */
  readonly #readers = new Map<string, number[]>();
  /** The last runs of a job that came to a verdict on receipts of their own, by job, the newest first. */
  readonly #built = new Map<string, number[]>();
  /** Ids of runs and jobs, and artifacts. */
  readonly #names = new NameIndex();
  readonly lists = new RunLists();
  readonly pushes = new Pushes();

  get size(): number {
    return this.#all.length;
  }

  submitted(run: Open): void {
    const at = this.#all.length;
    this.open.set(run.id, run);
    this.#position.set(run.id, at);
    this.#all.push(run);
    this.#names.add(run.id, at);
    this.#names.add(run.jobId, at);
    this.lists.submitted(at, run);
    this.pushes.submitted(at, run);
    addTo(this.#byPublisher, run.publisher.payload.operator, at);
    for (const { request } of Object.values(run.request.payload.needs ?? {}))
      addTo(this.#readers, request, at);
  }

  /** The run has another job than when it was submitted: an instance of its template. */
  instantiated(run: RunFacts): void {
    this.#names.add(run.jobId, this.#at(run));
  }

  received(run: RunFacts, recorded: Recorded): void {
    this.#receipts.set(recorded.lease, { at: this.#at(run), recorded });
  }

  /** A verdict about this artifact was made, and may not be the last one of its run. */
  decided(run: RunFacts, artifact: string): void {
    const at = this.#at(run);
    const runs = this.#byArtifact.get(artifact) ?? [];
    // Mostly the last one, or close to it.
    const before = runs.findLastIndex((one) => one <= at);
    if (runs[before] === at) return;
    runs.splice(before + 1, 0, at);
    this.#byArtifact.set(artifact, runs);
    this.#names.add(artifact, at);
  }

  /** Results in a dispute were told, of which these are trees. */
  compared(run: RunFacts, trees: Iterable<string>): void {
    for (const tree of new Set(trees)) addTo(this.#compared, tree, this.#at(run));
  }

  /** Runs in which this tree is such a result, the one that told it last first. */
  *comparing(tree: string): Generator<RunFacts> {
    for (const at of backwards(this.#compared.get(tree) ?? [])) yield this.#run(at);
  }

  /** The run came to its last verdict, on receipts of its own. */
  built(run: RunFacts): void {
    const at = this.#at(run);
    const others = (this.#built.get(run.jobId) ?? []).filter((one) => one !== at);
    this.#built.set(run.jobId, [at, ...others].slice(0, controllerLimits.earlierRunsMax));
  }

  ended(run: RunFacts): void {
    this.open.delete(run.id);
  }

  reopened(run: Open): void {
    this.open.set(run.id, run);
    this.replaced(run);
  }

  /** A run of which less is known from now on. */
  replaced(run: RunFacts): void {
    this.#all[this.#at(run)] = run;
  }

  /** Files a run anew whose state may have changed: it ended, or its verdict was voided. `as`: where that does not follow from its facts. */
  refile(id: string, as?: ListState): void {
    const at = this.#position.get(id);
    const run = at === undefined ? undefined : this.#all[at];
    if (at !== undefined && run !== undefined) this.lists.refile(at, run, as);
  }

  get(id: string): RunFacts | undefined {
    const at = this.#position.get(id);
    return at === undefined ? undefined : this.#all[at];
  }

  receiptOf(lease: string): { run: RunFacts; recorded: Recorded } | undefined {
    const found = this.#receipts.get(lease);
    const run = found === undefined ? undefined : this.#all[found.at];
    return found === undefined || run === undefined ? undefined : { run, recorded: found.recorded };
  }

  /** Runs that once had a verdict about this artifact, in the order they were submitted. */
  withArtifact(artifact: string): RunFacts[] {
    return (this.#byArtifact.get(artifact) ?? []).flatMap((at) => this.#all[at] ?? []);
  }

  /** Runs that once had a verdict about this artifact, the newest first. Lazy: a reader that stops early does not pay for all there ever were. */
  *latestWithArtifact(artifact: string): Generator<RunFacts> {
    for (const at of backwards(this.#byArtifact.get(artifact) ?? [])) yield this.#run(at);
  }

  /** Runs that need what one of these makes, each once, in the order they were submitted. */
  readersOf(ids: Iterable<string>): RunFacts[] {
    return this.#inOrder(new Set([...ids].flatMap((id) => this.#readers.get(id) ?? [])));
  }

  /** These runs, as far as they are known, in the order they were submitted. */
  inOrder(ids: Iterable<string>): RunFacts[] {
    return this.#inOrder([...ids].flatMap((id) => this.#position.get(id) ?? []));
  }

  /** The last runs of a job that were built and came to a verdict, a bounded number, the one that ended last first. */
  builtOf(job: string): RunFacts[] {
    const runs = (this.#built.get(job) ?? []).flatMap((at) => this.#all[at] ?? []);
    // A run that was built again on other inputs has results of another job.
    return runs.filter(({ jobId }) => jobId === job);
  }

  /** Runs that a name begins with these characters of, in the order they were submitted. */
  beginning(which: string): RunFacts[] {
    return this.#inOrder(this.#names.beginning(which));
  }

  /** Newest first. */
  latest(): Generator<RunFacts> {
    return backwards(this.#all);
  }

  /** The newest first, at most `max`: of one publisher at most `ofOneMax` while there are others. */
  newest(max: number, ofOneMax: number): RunFacts[] {
    const first = [...this.#byPublisher.values()].flatMap((own) => own.slice(-ofOneMax));
    const found = new Set(first.sort((a, b) => b - a).slice(0, max));
    for (const run of this.latest()) {
      if (found.size >= max) break;
      found.add(this.#at(run));
    }
    return this.#inOrder(found).reverse();
  }

  /** Runs that a filter lets through, the newest first, at most `max`; `before`: `next` of the page before. */
  list(filter: RunFilter, max: number, before = this.size): { runs: RunFacts[]; next: number | undefined } {
    const matches = (at: number) => this.#matches(at, filter);
    const { found, next } = this.lists.find(filter, { before, max, size: this.size, matches });
    return { runs: found.flatMap((at) => this.#all[at] ?? []), next };
  }

  /** Pushes with a run that a filter lets through, the newest first, each with its runs in the order they were submitted. */
  listPushes(
    filter: RunFilter,
    page: Omit<PushPage, 'matches'>,
  ): { pushes: RunFacts[][]; next: number | undefined } {
    const matches = (at: number) => this.#matches(at, filter);
    const { found, next } = this.pushes.find(filter.refs, { ...page, matches });
    return { pushes: found.map((push) => this.pushes.runsOf(push).map((at) => this.#run(at))), next };
  }

  /** The runs of a run's push, in the order they were submitted. */
  ofPush(run: RunFacts): RunFacts[] {
    return this.pushes.runsWith(this.#at(run)).map((at) => this.#run(at));
  }

  /** The first run of a run's push. */
  firstOfPush(run: RunFacts): RunFacts {
    return this.#run(this.pushes.firstOf(this.#at(run)) ?? -1);
  }

  #matches(at: number, { refs, name, listState }: RunFilter): boolean {
    const run = this.#all[at];
    return (
      run !== undefined &&
      (refs === undefined || refs.includes(run.request.payload.ref)) &&
      (name === undefined || run.job.name === name) &&
      (listState === undefined || this.lists.stateOf(at) === listState)
    );
  }

  /** A digest for comparisons of states: the rest follows from the runs alone. */
  toJSON(): unknown {
    return { open: [...this.open.keys()], receipts: this.#receipts.size, names: this.#names.size };
  }

  #run(at: number): RunFacts {
    const run = this.#all[at];
    assert(run !== undefined, 'a position in the index');
    return run;
  }

  #at(run: RunFacts): number {
    const at = this.#position.get(run.id);
    assert(at !== undefined, 'a run of the index');
    return at;
  }

  #inOrder(runs: Iterable<number>): RunFacts[] {
    return [...runs].sort((a, b) => a - b).flatMap((at) => this.#all[at] ?? []);
  }
}

function* backwards<T>(list: readonly T[]): Generator<T> {
  for (const [n] of list.entries()) yield list.at(-1 - n) as T;
}

interface Named {
  readonly name: string;
  readonly at: number;
}

/** Finds by the beginning of a name. Sorted lists of 1, 2, 4, 8… names, merged like a binary counter: O(log n) to add, O(log² n) to find. */
export class NameIndex {
  /** By the binary logarithm of their lengths. */
  readonly #lists = new Map<number, Named[]>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(name: string, at: number): void {
    this.#size++;
    let list: Named[] = [{ name, at }];
    let level = 0;
    for (let held = this.#lists.get(level); held !== undefined; held = this.#lists.get(++level)) {
      this.#lists.delete(level);
      // Two sorted runs, which the engine merges in linear time.
      list = [...held, ...list].sort((a, b) => compareTexts(a.name, b.name));
    }
    this.#lists.set(level, list);
  }

  beginning(which: string): Set<number> {
    const found = new Set<number>();
    for (const list of this.#lists.values()) {
      let n = lowerBound(list, ({ name }) => name < which);
      for (let named = list[n]; named?.name.startsWith(which); named = list[++n]) found.add(named.at);
    }
    return found;
  }
}
