import { pullArtifact } from '../../node/artifacts/transfer.ts';
import { messageOf } from '../../protocol/base/errors.ts';
import type { ControllerEffect } from '../machine/events.ts';
import type { ControllerContext } from './context.ts';
import { boundOf, pinOfRuns } from './keep.ts';
import { controllerNodeLimits } from './limits.ts';

/** Fetches and pins what was agreed. */
export class ArtifactPins {
  readonly #context: ControllerContext;
  readonly #signal: AbortSignal;

  constructor(context: ControllerContext, signal: AbortSignal) {
    this.#context = context;
    this.#signal = signal;
  }

  async pin({ run, artifact, from }: Extract<ControllerEffect, { kind: 'pin' }>): Promise<void> {
    const { machine, store, dispatch } = this.#context;
    const of = machine.state.runs.get(run);
    const maxBytes = of === undefined ? 0 : boundOf(of, artifact);
    const signal = AbortSignal.any([this.#signal, AbortSignal.timeout(controllerNodeLimits.pullMs)]);
    let detail = '';
    let ok = false;
    try {
      if (!(await store.has(artifact)))
        await pullArtifact(this.#context, artifact, { from, signal, maxBytes });
      await store.pin([artifact], pinOfRuns);
      ok = true;
    } catch (error) {
      // The next life asks again.
      if (this.#signal.aborted) return;
      detail = messageOf(error);
    }
    await dispatch({ kind: 'pinned', run, artifact, ok, detail });
  }
}
