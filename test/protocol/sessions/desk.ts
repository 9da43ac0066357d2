import { standIn } from '../../../simulations/keys.ts';
import type { ControllerEffect, ControllerEvent } from '../../../src/controller/machine/events.ts';
import { CheckedBundles } from '../../../src/controller/sessions/checked-bundles.ts';
import { CheckpointRounds } from '../../../src/controller/sessions/checkpoint-rounds.ts';
import { FeedServer } from '../../../src/controller/sessions/feed-server.ts';
import type { BundleStore, ControllerPorts } from '../../../src/controller/sessions/ports.ts';
import { Publisher } from '../../../src/controller/sessions/publisher.ts';
import type { SharedPorts } from '../../../src/controller/sessions/shared.ts';
import { toUtf8 } from '../../../src/protocol/base/text.ts';
import {
  decodeBundle,
  type Lease,
  type Outcome,
  sha256Hex,
  type Verified,
} from '../../../src/protocol/documents/index.ts';
import { Admission } from '../../../src/protocol/sessions/admission.ts';
import type { Tell } from '../../../src/protocol/sessions/ports.ts';
import { verifyBundle } from '../../../src/protocol/trust/index.ts';
import {
  decodeMessage,
  type VerdictNotice,
  verdictNoticeSchema,
} from '../../../src/protocol/wire/messages.ts';
import { topics } from '../../../src/protocol/wire/protocols.ts';
import { type Bench, built, deliverAll } from '../../controller/machine/bench.ts';
import { cosigned } from '../../support/cosigned.ts';
import { started } from './started.ts';

/** A controller's machine and publisher, and its bundles by name. */
export class Desk {
  readonly bench: Bench;
  readonly stored = new Map<string, string>();
  readonly puts: string[] = [];
  readonly told: unknown[] = [];
  /** The verdict notices that were gossiped. */
  readonly notices: VerdictNotice[] = [];
  /** The disk writes no bundle before it resolves. */
  disk: Promise<void> = Promise.resolve();
  #performed = 0;

  constructor(bench: Bench) {
    this.bench = bench;
  }

  ports(): ControllerPorts {
    const { paper, controller } = this.bench;
    const bundles: BundleStore = {
      get: async (which) => this.stored.get(which),
      put: async ({ run, job, artifact }, bundle) => {
        await this.disk;
        this.puts.push(run);
        for (const name of [run, job, artifact]) if (name !== null) this.stored.set(name, bundle);
      },
      drop: async (artifact) => void this.stored.delete(artifact),
    };
    return {
      inquiry: started,
      machine: controller,
      bundles,
      lost: this.bench.lost,
      project: paper.project,
      signing: { signer: paper.controller },
      retired: paper.controllers.filter(({ id }) => id !== paper.controller.id),
      publish: async (topic: string, message: Uint8Array) => {
        if (topic !== topics.verdicts(paper.project)) return;
        this.notices.push(decodeMessage(message, verdictNoticeSchema, 'a notice'));
      },
      announce: async () => {},
      tell: () => {},
      clock: { closing: false },
      checkpointFile: { save: async () => {} },
      dispatch: async (event: ControllerEvent) => void this.bench.send(event),
    } as unknown as ControllerPorts;
  }

  publisher(): Publisher {
    const ports = this.ports();
    const shared = {
      ...ports,
      admission: new Admission(ports, (peer) => ports.machine.state.keys.has(peer)),
      checkpoints: new CheckpointRounds(ports),
      backlog: new Map(),
    } as unknown as SharedPorts;
    return new Publisher(shared, new FeedServer(shared));
  }

  /** The stored bundles as they are served in this life. */
  serve(publisher = this.publisher()): CheckedBundles {
    const tell: Tell = (_level, kind, _says, fields) => void this.told.push({ kind, ...fields });
    return new CheckedBundles(
      { machine: this.bench.controller, tell },
      {
        get: async (which) => this.stored.get(which),
        size: async (which) => this.stored.get(which)?.length,
        drop: async (which) => void this.stored.delete(which),
      },
      (text) => sha256Hex(toUtf8(text)),
      publisher,
    );
  }

  /** The next life, with the bundles that there are. */
  async restart(): Promise<void> {
    this.bench.replay(new Set(this.stored.keys()));
    await this.bench.start({ epoch: 2 });
    await this.perform(true);
  }

  /** Stores what there is of a run now, as one that published its draft would have. */
  publish(run: string): Promise<void> {
    return this.publisher().verdict(run);
  }

  /** The process is killed before it carries out what is left. */
  lose(): void {
    this.#performed = this.bench.effects.length;
  }

  /** Carries out what came out since the last call, with the machine as it is now. */
  async perform(restore = false): Promise<void> {
    const { effects } = this.bench;
    const publisher = this.publisher();
    if (restore) await publisher.restore(new Set(this.stored.keys()));
    const due: ControllerEffect[] = effects.slice(this.#performed);
    this.#performed += due.length;
    for (const effect of due) {
      if (effect.kind === 'verdict') await publisher.verdict(effect.run);
      if (effect.kind === 'progress') await publisher.proofLost(effect);
    }
    if (restore) for (const run of this.bench.lost.runs) await publisher.makeAgain(run);
  }

  /** A run on which three operators agree, with the lease of the trusted worker. */
  async agreed(
    name: string,
    outcome: Outcome = built,
  ): Promise<{ run: string; trusted: Verified<Lease> | undefined }> {
    const { bench } = this;
    const run = await bench.submit({ name });
    const leases = await bench.lease('ada', 'bob', 'cy');
    const trusted = (await bench.lease('trusted')).get('trusted');
    await deliverAll(bench, leases, [outcome, outcome, outcome]);
    bench.pinned(run);
    await this.perform();
    return { run, trusted };
  }

  /** Three operators build the same, the trusted worker `own`; it signs where the controller asks. */
  async play(name: string, own: Outcome, outcome: Outcome = built): Promise<string> {
    const { bench } = this;
    const { run, trusted } = await this.agreed(name, outcome);
    await bench.deliver('trusted', trusted, own);
    if (bench.run(run).phase.kind === 'cosigning') await this.cosign(run);
    await this.perform();
    return run;
  }

  async cosign(run: string): Promise<void> {
    const { bench } = this;
    bench.send(await cosigned(bench.paper, bench.controller.state, run, bench.now));
  }

  async levelOf(name: string): Promise<string | undefined> {
    const text = this.stored.get(name);
    if (text === undefined) return undefined;
    const { project } = this.bench.paper;
    const result = await verifyBundle(decodeBundle(text), { project }, standIn.verifier);
    return result.ok ? result.level : (result.code ?? '');
  }
}
