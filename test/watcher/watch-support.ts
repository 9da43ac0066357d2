import { expect } from 'vitest';
import { nodeClock } from '../../src/node/ports.ts';
import type { PublishOrder, PullSeen, WatchEffect, WatchEvent } from '../../src/watcher/machine/events.ts';
import { WatchMachine } from '../../src/watcher/machine/machine.ts';
import type { WatchRule, WatchSettings } from '../../src/watcher/machine/rules.ts';
import { keptState } from '../../src/watcher/machine/state.ts';

/** Node's timers, which a test may fake. */
export const clock = nodeClock(new AbortController().signal);

export const commit = (n: number): string => n.toString(16).padStart(40, '0');

export const rule = (more: Partial<WatchRule> = {}): WatchRule => ({
  name: 'main',
  branches: ['main', 'release/*'],
  tags: [],
  paths: [],
  supersede: true,
  rebuild: false,
  ...more,
});

export const settingsOf = (more: Partial<WatchSettings> = {}): WatchSettings => ({
  url: 'git://127.0.0.1/tool',
  rules: [rule()],
  context: 'quorate',
  dialect: 2,
  ...more,
});

export type Told = Extract<WatchEffect, { kind: 'status' }>;

/** A machine with a clock, whose effects are answered by hand; its events are kept as a journal keeps them. */
export class Bench {
  machine = new WatchMachine();
  now = 1_800_000_000_000;
  effects: WatchEffect[] = [];
  readonly journal: { event: WatchEvent; at: number }[] = [];

  constructor(settings: WatchSettings = settingsOf()) {
    this.say({ kind: 'configured', settings });
    this.say({ kind: 'started' });
  }

  say(event: WatchEvent): this {
    const { effects, durability } = this.machine.handle(event, this.now);
    if (durability !== 'none') this.journal.push({ event, at: this.now });
    this.effects.push(...effects);
    return this;
  }

  refs(refs: Record<string, number | null>, first = false): this {
    const changed = Object.entries(refs).map(([ref, n]) => ({
      ref,
      commit: n === null ? null : commit(n),
      object: n === null ? '' : commit(n),
    }));
    return this.say({ kind: 'refs', first, changed });
  }

  push(ref: string, n: number): this {
    return this.refs({ [ref]: n });
  }

  pull(more: Partial<PullSeen> & { pull: number; commit: string }): this {
    const seen: PullSeen = {
      ref: `refs/pull/${more.pull}/head`,
      base: 'main',
      title: 'better',
      author: 'mallory',
      approved: [],
      ...more,
    };
    return this.say({ kind: 'pull', seen });
  }

  /** The effects of this kind since the last call. */
  take<Kind extends WatchEffect['kind']>(kind: Kind): Extract<WatchEffect, { kind: Kind }>[] {
    const isOfKind = (effect: WatchEffect): effect is Extract<WatchEffect, { kind: Kind }> =>
      effect.kind === kind;
    const found = this.effects.filter(isOfKind);
    this.effects = this.effects.filter((effect) => !isOfKind(effect));
    return found;
  }

  orders(): PublishOrder[] {
    return this.take('publish').map(({ order }) => order);
  }

  /** The forge takes every status that it is told of, until nothing is left to tell; by context, the last one. */
  tell(): Map<string, Told> {
    const last = new Map<string, Told>();
    for (let told = this.take('status'); told.length > 0; told = this.take('status'))
      for (const effect of told) {
        last.set(effect.context, effect);
        this.say({ kind: 'status-set', key: effect.key, status: effect.status });
      }
    return last;
  }

  published(order: PublishOrder, ...runs: string[]): this {
    return this.say({ kind: 'published', id: order.id, runs: runs.map((run) => ({ name: run, run })) });
  }

  /** The evidence of these runs was verified. */
  proven(...runs: string[]): this {
    for (const run of runs)
      this.say({ kind: 'proof', run, proof: { kind: 'trusted', cosigned: true, known: '' } });
    return this;
  }

  /** Starts anew from the journal, as after a crash; from the event that takes its place where it is as long as one may be. */
  restart(settings?: WatchSettings): this {
    const replayed = new WatchMachine();
    for (const { event, at } of this.journal) replayed.handle(event, at, WatchMachine.rules);
    const event: WatchEvent = JSON.parse(JSON.stringify({ kind: 'state', state: keptState(replayed.state) }));
    const alive = this.machine;
    this.machine = new WatchMachine();
    this.machine.handle(event, this.now);
    const settled = (machine: WatchMachine) => machine.handle({ kind: 'started' }, this.now).effects;
    expect(settled(this.machine)).toEqual(settled(replayed));
    expect(this.machine.state).toEqual(replayed.state);
    // The journal holds each event that changed the state: the machine that never stopped has the state of the replayed one.
    settled(alive);
    expect(alive.state).toEqual(replayed.state);
    this.effects = [];
    if (settings !== undefined) this.say({ kind: 'configured', settings });
    return this.say({ kind: 'started' });
  }
}
