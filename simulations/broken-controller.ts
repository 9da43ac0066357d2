import type { ControllerEffect, ControllerEvent } from '../src/controller/machine/events.ts';
import { Controller } from '../src/controller/machine/machine.ts';
import type { Run } from '../src/controller/machine/state.ts';
import type { Durability, Handled } from '../src/protocol/base/durability.ts';
import type { Patches } from './patches.ts';

export type Handle = (event: ControllerEvent, now: number) => ControllerEffect[];

/** The real controller with one thing wrong with it. */
export class Broken extends Controller {
  readonly #wrong: (controller: Controller, handle: Handle) => Handle;
  #handle: Handle | undefined;
  #real: Handle = () => [];

  constructor(id: string, idp: string, wrong: (controller: Controller, handle: Handle) => Handle) {
    super(id, idp);
    this.#wrong = wrong;
  }

  override handle(event: ControllerEvent, now: number): Handled<ControllerEffect> {
    let durability: Durability = 'none';
    const real = (...all: Parameters<Handle>): ControllerEffect[] => {
      const handled = super.handle(...all);
      if (durability !== 'sync') durability = handled.durability;
      return handled.effects;
    };
    this.#real = real;
    this.#handle ??= this.#wrong(this, (...all) => this.#real(...all));
    return { effects: this.#handle(event, now), durability };
  }
}

export const breaking = (wrong: (controller: Controller, handle: Handle) => Handle) => (): Patches => ({
  controller: (id, idp) => new Broken(id, idp, wrong),
});

/** The real controller, of which something is changed after each event. */
export const breakingAfter = (
  change: (controller: Controller, event: ControllerEvent, effects: ControllerEffect[]) => void,
) =>
  breaking((controller, handle) => (event, now) => {
    const effects = handle(event, now);
    change(controller, event, effects);
    return effects;
  });

export function runOf(controller: Controller, offer: string): Run | undefined {
  return [...controller.state.runs.values()].find((run) =>
    run.rounds.some(({ offerId }) => offerId === offer),
  );
}
