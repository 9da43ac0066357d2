import type { Channel } from '../../src/protocol/sessions/ports.ts';
import type { RunSource, RunVerifier } from '../../src/protocol/sessions/run-verifier.ts';
import type { WatchEffect, WatchEvent } from '../../src/watcher/machine/events.ts';
import { type HookEffect, HookMachine, type LedgerEvent } from '../../src/watcher/machine/hook-ledger.ts';
import { parseRefPattern } from '../../src/watcher/machine/hook-refs.ts';
import { WatchMachine } from '../../src/watcher/machine/machine.ts';
import { keptState } from '../../src/watcher/machine/state.ts';
import { TrustedHook } from '../../src/watcher/machine/trusted-hook.ts';
import { followTrusted } from '../../src/watcher/sessions/hook.ts';
import type { WatchClient, WatchPorts } from '../../src/watcher/sessions/ports.ts';
import { Watcher } from '../../src/watcher/sessions/watcher.ts';
import { Violation } from '../observer.ts';
import { type Life, Process, type Surroundings } from '../process.ts';
import { type Project, repo, type Seen } from './project.ts';

const never = new Promise<never>(() => {});

/** Mistakes that a planted bug makes. */
export interface WatchPatches {
  watcher?: (machine: WatchMachine) => WatchMachine;
  ports?: (ports: WatchPorts) => WatchPorts;
  /** Effects are carried out before their events are in the journal. */
  late?: 'watcher' | 'hook';
}

/** Parts of a simulated process that the watcher and the hook have in common. */
abstract class Owned<
  Event extends { kind: string },
  Effect extends { kind: string },
  M extends WatchMachine | HookMachine,
> extends Process<Event, Effect, M & import('../../src/protocol/sessions/loop.ts').Machine<Event, Effect>> {
  protected override handled(): void {}
  protected override describe(event: Event, effects: readonly Effect[]): string | undefined {
    return `${event.kind}: ${effects.map(({ kind }) => kind).join(', ')}`;
  }
  protected override restored(before: string, after: string): void {
    if (before !== after) throw new Violation(`${this.name} comes to another state`, 'replay');
  }
  protected override crashRate(): number {
    return this.around.rates().workerCrashPerEvent;
  }
  override accept(_: string, channel: Channel): void {
    channel.abort(new Error('it serves nothing'));
  }
  /** Calls of a process that died reach nobody. */
  protected alive<A extends unknown[], T>(
    { alive }: { alive: () => boolean },
    call: (...given: A) => Promise<T>,
  ) {
    return (...given: A): Promise<T> => (alive() ? call(...given) : never);
  }
}

export class WatcherNode extends Owned<WatchEvent, WatchEffect, WatchMachine> {
  readonly name = 'watcher';
  readonly id = 'watcher';
  protected readonly tick = { kind: 'tick' } as const;
  watcher: Watcher | undefined;
  readonly #project: Project;
  readonly #patches: WatchPatches;

  constructor(around: Surroundings, project: Project, patches: WatchPatches) {
    super(around, 'watcher');
    [this.#project, this.#patches] = [project, patches];
    this.plant({ journalLate: patches.late === 'watcher' ? 'append' : undefined });
  }

  protected fresh(): WatchMachine {
    return this.#patches.watcher?.(new WatchMachine()) ?? new WatchMachine();
  }

  protected begin(life: Life<WatchEvent, WatchEffect, WatchMachine>): void {
    const project = this.#project;
    const client: WatchClient = {
      source: {} as RunSource,
      jobs: this.alive(life, async () => ({ jobs: await project.list() })),
      show: this.alive(life, async (run) => {
        const [summary] = (await project.list()).filter((one) => one.run === run);
        if (summary === undefined) throw new Error(`${run} is not listed`);
        return { summary };
      }),
      cancel: this.alive(life, (run) => project.cancel(run)),
    };
    const verify = this.alive(life, async (_: unknown, { request }: { request: string }) => {
      await project.evidence(request);
      return { facts: { cosigners: ['trusted'] }, known: '' };
    });
    const ports: WatchPorts = {
      clock: life.clock,
      machine: life.machine,
      pollMs: 30_000,
      compact: () => {},
      settings: {
        url: repo,
        context: 'quorate',
        dialect: 2,
        pulls: { authors: [], paths: [], label: 'ok' },
        rules: [{ name: 'all', branches: ['**'], tags: [], paths: [], supersede: true, rebuild: false }],
      },
      dispatch: (event) => this.dispatch(life, event),
      refs: this.alive(life, () => project.refs()),
      forge: {
        pullRefs: 'refs/pull/*/head',
        setStatus: this.alive(life, (status) => project.setStatus(status)),
        openPulls: this.alive(life, () => project.openPulls()),
        isOpen: this.alive(life, (pull) => project.isOpen(pull)),
      },
      connection: { use: (act) => act(client) },
      publish: this.alive(life, (_, order) => project.publish(order)),
      verifier: { verify, learn: async () => {}, known: async () => '' } as unknown as RunVerifier,
      onEvent: () => {},
      onFailure: (error) => {
        throw error;
      },
    };
    this.watcher = new Watcher(this.#patches.ports?.(ports) ?? ports);
    void this.watcher.start();
  }

  protected perform(effect: WatchEffect): void {
    this.watcher?.perform(effect);
  }

  protected snapshot({ state }: WatchMachine): string {
    return JSON.stringify(keptState(state));
  }
}

export class HookNode extends Owned<LedgerEvent, HookEffect, HookMachine> {
  readonly name = 'hook';
  readonly id = 'hook';
  protected readonly tick = undefined;
  readonly #project: Project;
  readonly #observe: (seen: Seen) => void;
  #commands = new Map<string, () => void>();

  constructor(around: Surroundings, project: Project, patches: WatchPatches, observe: (seen: Seen) => void) {
    super(around, 'hook');
    [this.#project, this.#observe] = [project, observe];
    this.plant({ journalLate: patches.late === 'hook' ? 'append' : undefined });
  }

  protected fresh(): HookMachine {
    return new HookMachine();
  }

  protected begin(life: Life<LedgerEvent, HookEffect, HookMachine>): void {
    const project = this.#project;
    const { ledger } = life.machine;
    const commands = new Map<string, () => void>();
    this.#commands = commands;
    const hook = new TrustedHook(
      { refs: [parseRefPattern('main')], jobs: ['build'], uncosigned: false },
      ledger,
    );
    void followTrusted(
      {
        project: 'p',
        clock: life.clock,
        once: false,
        tell: () => {},
        folder: {
          ledger,
          record: async (event, execute) => {
            if (execute !== undefined) commands.set(event.subject, execute);
            await this.dispatch(life, event);
            commands.delete(event.subject);
          },
          fresh: async () => '/work',
          clear: async () => {},
        },
        list: this.alive(life, async () => ({ jobs: await project.list(), equivocations: [] })),
        execute: this.alive(life, async ({ QUORATE_REQUEST: subject = '' }) => {
          this.#observe({ kind: 'executed', subject, project });
          const outcome = await project.command();
          return life.alive() ? outcome : never;
        }),
      },
      hook,
      this.alive(life, async ({ run }, _dir, accept) => {
        const facts = await project.facts(run);
        accept(facts);
        return { facts, artifact: '/artifact', bundle: '/bundle.json' };
      }),
    );
  }

  protected perform({ subject }: HookEffect): void {
    this.#commands.get(subject)?.();
  }

  protected snapshot({ ledger }: HookMachine): string {
    return JSON.stringify([ledger.open, ledger.unfinished]);
  }
}
