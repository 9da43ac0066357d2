import type { WatchMachine } from '../../src/watcher/machine/machine.ts';
import type { WatchPatches } from './nodes.ts';

/** Replaces `handle`, given the one that is right. */
const handling =
  (change: (handle: WatchMachine['handle'], machine: WatchMachine) => WatchMachine['handle']) =>
  (machine: WatchMachine): WatchMachine =>
    Object.assign(machine, { handle: change(machine.handle.bind(machine), machine) });

/** Mistakes in a watcher or a hook, and the invariant that must be found violated. */
export const watchBugs: Record<string, WatchPatches & { says: string; caughtBy: string }> = {
  'published-before-journal': {
    says: 'a pipeline is published before its order is in the journal',
    caughtBy: 'replay',
    late: 'watcher',
  },
  'ordered-anew': {
    says: 'a commit whose publishing failed is ordered anew, under another id',
    caughtBy: 'once',
    watcher: handling((handle, machine) => (event, now, rules) => {
      const of = event.kind === 'refused' ? machine.state.publications.get(event.id)?.order : undefined;
      const handled = handle(event, now, rules);
      if (of === undefined || of.floor) return handled;
      const { ref, commit, object } = of;
      const more = [null, commit].map((to) =>
        handle({ kind: 'refs', first: false, changed: [{ ref, commit: to, object }] }, now, rules),
      );
      return { ...handled, effects: [handled, ...more].flatMap(({ effects }) => effects) };
    }),
  },
  'approval-of-a-number': {
    says: 'an approval is of a pull request, and not of its commit',
    caughtBy: 'asked',
    watcher: handling((handle, machine) => (event, now, rules) => {
      const known = event.kind === 'pull' ? machine.state.pulls.get(event.seen.pull)?.decision : undefined;
      const handled = handle(event, now, rules);
      if (event.kind !== 'pull' || known?.verdict !== 'approved') return handled;
      const { pull, commit } = event.seen;
      const more = handle({ kind: 'decided', pull, commit, verdict: 'approved', by: known.by }, now, rules);
      return { ...handled, effects: [...handled.effects, ...more.effects] };
    }),
  },
  'controller-believed': {
    says: 'the word of the controller is taken for evidence',
    caughtBy: 'green',
    ports: (ports) =>
      Object.assign(ports, {
        verifier: {
          ...ports.verifier,
          verify: async () => ({ facts: { cosigners: ['trusted'] }, known: '' }),
        },
      }),
  },
  'command-before-journal': {
    says: 'a command is started before that is in the journal of its hook',
    caughtBy: 'commands',
    late: 'hook',
  },
  'status-told-once': {
    says: 'a status that the forge did not take is not told again',
    caughtBy: 'settled',
    ports: (ports) => {
      const setStatus = ports.forge?.setStatus;
      return {
        ...ports,
        forge: ports.forge && {
          ...ports.forge,
          setStatus: async (status) => setStatus?.(status).catch(() => {}),
        },
      };
    },
  },
  'turns-not-journaled': {
    says: 'an event that has effects alone is not in the journal',
    caughtBy: 'replay',
    watcher: handling((handle) => (event, now, rules) => {
      const handled = handle(event, now, rules);
      return handled.durability === 'lazy' && rules === undefined
        ? { ...handled, durability: 'none' }
        : handled;
    }),
  },
};
