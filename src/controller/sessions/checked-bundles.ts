import { QuorateError } from '../../protocol/base/errors.ts';
import type { StoredBundles } from '../../protocol/sessions/bundle-exchange.ts';
import { artifactIn, isLostInRestore, type RunFacts, reportsIn } from '../machine/facts.ts';
import { bundledOf, provingRun } from '../machine/queries/summary.ts';
import { outcomeOf, publishedOf } from '../machine/state.ts';
import { hasEvidence } from '../machine/verdicts/verdict.ts';
import type { ControllerPorts } from './ports.ts';

interface Stored extends StoredBundles {
  drop(which: string): Promise<void>;
}

interface Maker {
  /** Resolves once what is being stored is, or after a limit. */
  storing(): Promise<void>;
  /** Makes the bundle of this run again where it was lost. @throws those of `ControllerSessions.makeAgain`. */
  makeAgain(run: string): Promise<void>;
}

/**
 * Serves stored bundles; lost ones are made again first. One that has another hash than the journal says is removed, and made at
 * the next start. Unhashed ones of old journals, and those not stored yet, are not compared.
 */
export class CheckedBundles implements StoredBundles {
  readonly #ports: Pick<ControllerPorts, 'machine' | 'tell'>;
  readonly #stored: Stored;
  readonly #sha256: (text: string) => string | Promise<string>;
  readonly #maker: Maker;
  /** Names that were removed in this life; bounded by the files there were. */
  readonly #removed = new Set<string>();

  /** `sha256`: of the UTF-8 bytes, in hexadecimal; of up to `limits.bundleBytesMax` for every bundle that is asked for. */
  constructor(
    ports: Pick<ControllerPorts, 'machine' | 'tell'>,
    stored: Stored,
    sha256: (text: string) => string | Promise<string>,
    maker: Maker,
  ) {
    this.#ports = ports;
    this.#stored = stored;
    this.#sha256 = sha256;
    this.#maker = maker;
  }

  size(which: string): Promise<number | undefined> {
    return this.#stored.size(this.#ofTest(which) ?? which);
  }

  /** The newest test that put out this tree, which no other job made: its bundle says to whoever asks that it is no artifact. */
  #ofTest(which: string): string | undefined {
    const { state } = this.#ports.machine;
    if (provingRun(state, which) !== undefined) return undefined;
    return state.index.withArtifact(which).findLast((run) => reportsIn(run, outcomeOf(run)) === which)?.id;
  }

  /** Undefined where there is none. @throws `BUNDLE_DAMAGED`, those of `ControllerSessions.makeAgain`. */
  async get(asked: string): Promise<string | undefined> {
    const which = this.#ofTest(asked) ?? asked;
    const { unstored } = this.#ports.machine.state;
    // A verdict is told before its bundle is stored: whoever heard of it asks for this one, not for that of the verdict before.
    if (unstored.size > 0 && this.#named(which).some(({ id }) => unstored.has(id)))
      await this.#maker.storing();
    let text = await this.#stored.get(which);
    const maker = text === undefined ? this.#makerOf(which) : undefined;
    if (maker !== undefined) {
      await this.#maker.makeAgain(maker.id);
      text = await this.#stored.get(which);
    }
    while (text !== undefined && !(await this.#isAsStored(which, text))) {
      const before: string = text;
      // It may have been replaced while it was read.
      text = await this.#stored.get(which);
      if (text === before) {
        await this.#remove(which);
        text = undefined;
      }
    }
    if (text === undefined && this.#removed.has(which))
      throw new QuorateError(
        'BUNDLE_DAMAGED',
        `the bundle of ${which} was damaged on the controller's disk`,
        {
          hint: 'The controller makes it again from its journal when it is started again: tell the owner of the project.',
        },
      );
    return text;
  }

  /** The run whose bundle has this name. */
  #makerOf(which: string): RunFacts | undefined {
    const { state } = this.#ports.machine;
    return state.index.get(which) ?? provingRun(state, which) ?? bundledOf(state, which).at(-1);
  }

  async #isAsStored(which: string, text: string): Promise<boolean> {
    const sha256 = await this.#sha256(text);
    // After the wait, in which it may have been replaced.
    const { state } = this.#ports.machine;
    // Any number of runs may have made this artifact: the one that proves it is looked at first.
    const maker = provingRun(state, which);
    const proving = maker === undefined ? undefined : this.#hashAs(which, maker);
    const hashes = proving === sha256 ? [proving] : this.#hashesOf(which);
    return hashes === undefined || hashes.includes(sha256);
  }

  /** Of the bundles that may have this name; undefined where one is not known. */
  #hashesOf(which: string): string[] | undefined {
    // Without a receipt there is no bundle.
    const runs = this.#named(which).filter(hasEvidence);
    const hashes = runs.flatMap((run) => this.#hashAs(which, run) ?? []);
    return runs.length > 0 && hashes.length === runs.length ? hashes : undefined;
  }

  /** Of the bundle of a run, where it is stored and has this name. */
  #hashAs(which: string, run: RunFacts): string | undefined {
    const { state } = this.#ports.machine;
    const outcome = publishedOf(run)?.verdict.outcome;
    // A trusted worker gave back a later one of a run that was lost.
    if (outcome === undefined || state.unstored.has(run.id) || isLostInRestore(run)) return undefined;
    const names = [run.id, run.jobId, artifactIn(run, outcome) ?? ''];
    return names.includes(which) ? state.bundles.get(run.id) : undefined;
  }

  /** The run, those of the job, or those that had a verdict about the artifact: tests make none. */
  #named(which: string): RunFacts[] {
    const { index } = this.#ports.machine.state;
    const run = index.get(which);
    if (run !== undefined) return [run];
    return index.beginning(which).filter(({ job, jobId }) => job.kind !== 'test' || jobId === which);
  }

  /** With that of the run whose bundle takes the name: a start looks for bundles by run. */
  async #remove(which: string): Promise<void> {
    const { machine, tell } = this.#ports;
    const maker = provingRun(machine.state, which) ?? this.#named(which).at(-1);
    for (const name of new Set([which, ...(maker === undefined ? [] : [maker.id])])) {
      this.#removed.add(name);
      await this.#stored.drop(name);
    }
    tell(
      'warn',
      'bundle',
      `the bundle of ${which} is not the one that was stored: its file was damaged, or put back from an older copy. It was removed, and is not served; restart the controller to have it made again from the journal`,
      { code: 'BUNDLE_DAMAGED', which, ...(maker !== undefined && { run: maker.id }) },
    );
  }
}
