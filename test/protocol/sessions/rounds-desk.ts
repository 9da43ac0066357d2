import type { WitnessedCheckpoint } from '../../../src/controller/sessions/checkpoint-round.ts';
import { CheckpointRounds } from '../../../src/controller/sessions/checkpoint-rounds.ts';
import type { ControllerPorts, ExternalWitness } from '../../../src/controller/sessions/ports.ts';
import type { Signer } from '../../../src/protocol/documents/index.ts';
import { openCheckpoint, witnessCheckpoint } from '../../../src/protocol/transparency/index.ts';
import { type Bench, projectOf } from '../../controller/machine/bench.ts';
import { started } from './started.ts';

/** Resolves when what was started has gone on as far as it can without a timer. */
export const settled = () => new Promise(setImmediate);

/** The rounds of a controller's machine, with a clock in the tester's hand. */
export class Rounds {
  readonly bench: Bench;
  readonly pushed: string[] = [];
  /** To whom each was. */
  readonly shown: string[][] = [];
  readonly ended: WitnessedCheckpoint[] = [];
  readonly grown: WitnessedCheckpoint[] = [];
  urgent = false;
  readonly told: string[] = [];
  readonly present: string[] = [];
  saved: string | undefined;
  closing = false;
  /** The controller's of the project where absent. */
  signer: Signer | undefined;
  retired: readonly Signer[] = [];
  outside: ExternalWitness[] = [];
  inquiry = started;
  /** Of the file, where it cannot be written. */
  failure: Error | undefined;
  rounds: CheckpointRounds;
  #ms = 0;
  #timers: { at: number; act: () => void }[] = [];

  constructor(bench: Bench, ...present: string[]) {
    this.bench = bench;
    this.present = present;
    this.rounds = this.fresh();
  }

  fresh(): CheckpointRounds {
    const { bench } = this;
    this.#timers = [];
    const isClosing = () => this.closing;
    const ports = {
      project: bench.paper.project,
      inquiry: this.inquiry,
      machine: bench.controller,
      retired: this.retired,
      signing: {
        signer: this.signer ?? bench.paper.controller,
        documents: { verifier: bench.paper.keys.verifier },
      },
      clock: {
        now: () => bench.now + this.#ms,
        monotonic: () => this.#ms,
        after: (ms: number, act: () => void) => {
          const timer = { at: this.#ms + ms, act };
          this.#timers.push(timer);
          return () => {
            this.#timers = this.#timers.filter((one) => one !== timer);
          };
        },
        get closing() {
          return isClosing();
        },
      },
      checkpointFile: {
        load: async () => this.saved,
        save: async (note: string) => {
          if (this.failure !== undefined) throw this.failure;
          this.saved = note;
        },
      },
      externalWitnesses: () => this.outside,
      tell: (_level: string, _kind: string, says: string) => this.told.push(says),
    } as unknown as ControllerPorts;
    this.rounds = new CheckpointRounds(ports);
    return this.rounds;
  }

  async start(): Promise<void> {
    await this.rounds.load();
    const keys = this.present.map((name) => this.bench.id(name));
    this.rounds.start(
      {
        present: keys,
        checkpoint: ({ note }, to) => {
          this.pushed.push(note);
          this.shown.push([...to]);
        },
      },
      {
        isUrgent: () => this.urgent,
        grown: (checkpoint) => this.grown.push(checkpoint),
        ended: (checkpoint) => this.ended.push(checkpoint),
      },
    );
    await settled();
  }

  async pass(ms: number): Promise<void> {
    const until = this.#ms + ms;
    for (;;) {
      const next = this.#timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((one) => one !== next);
      this.#ms = next.at;
      next.act();
      await settled();
    }
    this.#ms = until;
  }

  async line(name: string, note = this.pushed.at(-1) ?? '', seconds = 0): Promise<string> {
    const time = Math.floor((this.bench.now + this.#ms) / 1000) + seconds;
    return witnessCheckpoint(note, this.bench.paper.keys.signer(name), time);
  }

  async answer(name: string, over: { line?: string; size?: number } = {}): Promise<void> {
    const size = this.rounds.current?.size ?? 0;
    const line = await this.line(name);
    await this.rounds.witness(this.bench.id(name), { size, line, ...over });
    await settled();
  }

  async witnesses(note = this.rounds.current?.note ?? ''): Promise<string[]> {
    const { paper } = this.bench;
    const expected = { project: paper.project, log: paper.controller.id };
    const opened = await openCheckpoint(note, expected, paper.keys.verifier);
    return opened.witnesses.map(({ witness }) => witness);
  }
}

export async function roundsOf(...names: string[]): Promise<Rounds> {
  const rounds = new Rounds(await projectOf(...names), ...names);
  rounds.bench.present(...names);
  await rounds.start();
  return rounds;
}
