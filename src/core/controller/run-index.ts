/** What the index needs to know of a run. */
interface Named {
  readonly id: string;
  readonly jobId: string;
}

/**
 * Finds runs without looking at all there ever were: what an event costs does not grow with history. Follows from the runs,
 * and holds nothing that is not in them.
 */
export class RunIndex<Run extends Named, Recorded> {
  /** Runs that have not ended, in the order they were submitted. */
  readonly open = new Map<string, Run>();
  /** All runs, in the order they were submitted. */
  readonly #all: Run[] = [];
  readonly #position = new Map<Run, number>();
  /** By lease id. */
  readonly #receipts = new Map<string, { run: Run; recorded: Recorded }>();
  /** Runs with a published verdict about an artifact. */
  readonly #byArtifact = new Map<string, Set<Run>>();
  /** Ids of runs and jobs, and artifacts, sorted. */
  readonly #names: { name: string; run: Run }[] = [];

  submitted(run: Run): void {
    this.open.set(run.id, run);
    this.#position.set(run, this.#all.length);
    this.#all.push(run);
    this.#name(run.id, run);
    this.#name(run.jobId, run);
  }

  received(lease: string, run: Run, recorded: Recorded): void {
    this.#receipts.set(lease, { run, recorded });
  }

  /** A verdict about this artifact was made, and may not be the last one of its run. */
  decided(run: Run, artifact: string): void {
    const runs = this.#byArtifact.get(artifact) ?? new Set();
    if (runs.has(run)) return;
    this.#byArtifact.set(artifact, runs.add(run));
    this.#name(artifact, run);
  }

  ended(run: Run): void {
    this.open.delete(run.id);
  }

  receiptOf(lease: string): { run: Run; recorded: Recorded } | undefined {
    return this.#receipts.get(lease);
  }

  /** Runs that once had a verdict about this artifact, in the order they were submitted. */
  withArtifact(artifact: string): Run[] {
    return this.#inOrder(this.#byArtifact.get(artifact) ?? []);
  }

  /** Runs that a name begins with these characters of, in the order they were submitted. */
  beginning(which: string): Run[] {
    const found = new Set<Run>();
    for (let at = this.#firstNotBefore(which); at < this.#names.length; at++) {
      const { name, run } = this.#names[at] ?? { name: '' };
      if (run === undefined || !name.startsWith(which)) break;
      found.add(run);
    }
    return this.#inOrder(found);
  }

  /** Newest first. */
  *latest(): Generator<Run> {
    for (let at = this.#all.length - 1; at >= 0; at--) {
      const run = this.#all[at];
      if (run !== undefined) yield run;
    }
  }

  /** For comparisons of states: everything else follows from the runs alone. */
  toJSON(): unknown {
    return { open: [...this.open.keys()], receipts: this.#receipts.size, names: this.#names.length };
  }

  #inOrder(runs: Iterable<Run>): Run[] {
    const position = (run: Run) => this.#position.get(run) ?? 0;
    return [...runs].sort((a, b) => position(a) - position(b));
  }

  #name(name: string, run: Run): void {
    this.#names.splice(this.#firstNotBefore(name), 0, { name, run });
  }

  #firstNotBefore(name: string): number {
    let [low, high] = [0, this.#names.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#names[middle]?.name ?? '') < name) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
