import type { ControllerState } from '../src/controller/machine/state.ts';
import type { Observation } from './observer.ts';
import type { WorkerNode } from './worker-node.ts';

interface Known {
  /** Log key of the controller. */
  controller(): string;
  /** The controller has a copy for a journal, and waits for its members. */
  isAsking(): boolean;
  /** Leaves of the largest checkpoint that the controller was shown, also by those who are no members. */
  shown(): number;
  workers(): readonly Pick<WorkerNode, 'id' | 'up' | 'kept' | 'sizeSeen'>[];
  isTrusted(worker: string): boolean;
  write(says: string): void;
}

/** Ground truth of a project whose controller was restored from a copy: what its key signed, and whether anything goes on. */
export class AfterRestores {
  readonly #world: Known;
  readonly #signed: Extract<Observation, { kind: 'signed' }>[] = [];
  /** The log does not go on from all that its key signed: members may find two stories. */
  isShort = false;
  /** Why the controller stopped; undefined while it has not. */
  stopped: string | undefined;

  constructor(world: Known) {
    this.#world = world;
  }

  observe(seen: Observation): void {
    if (seen.kind === 'signed') this.#signed.push(seen);
    if (seen.kind === 'restored') this.#compare(seen.state);
    if (seen.kind === 'not-started' && this.isShort) this.stopped ??= `it stopped: ${seen.code}`;
  }

  #compare({ log }: ControllerState): void {
    const key = this.#world.controller();
    const own = this.#signed.filter((one) => one.log === key);
    this.isShort ||= own.some(({ size, root }) => size > log.size || log.root(size) !== root);
    if (this.isShort) this.#world.write('the log does not go on from all that was signed');
  }

  /** Whether the project may stand still for good. */
  get isStill(): boolean {
    return this.isShort || this.#world.isAsking();
  }

  /** Observation of a project that stands still; excused where the leaves that trusted workers who are up keep are fewer than members know. */
  standStill(): Observation {
    const { controller, workers, isTrusted } = this.#world;
    const up = workers().filter((one) => one.up);
    const kept = Math.max(0, ...up.filter(({ id }) => isTrusted(id)).map((one) => one.kept));
    const known = Math.max(this.#world.shown(), ...up.map((one) => one.sizeSeen(controller())));
    const asking = this.#world.isAsking() ? 'its controller waits for members' : undefined;
    const why = this.stopped ?? asking ?? 'its log is not what all members know';
    const says = `${why}; of ${known} leaves that members know trusted workers keep ${kept}`;
    this.#world.write(`stands still: ${says}`);
    return { kind: 'stands-still', why: says, isExcused: this.isShort || kept < known };
  }
}
