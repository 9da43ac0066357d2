import { artifactOf, isTrustedSlot } from '../src/protocol/documents/index.ts';
import { breaking, breakingAfter } from './broken-controller.ts';
import type { Behaviour, Scenario, Work } from './scenario.ts';

const common = {
  nature: 'reproducible',
  submitAfterMs: 1_000,
  cancelAfterMs: undefined,
  expiresSeconds: 7200,
} as const;
/** A test of what is only agreed on for a while. */
const pipelineOfTwo = (of = 3): Work[] => [
  { ...common, name: 'lib', policy: { agree: 2, of, cosign: 'required', rounds: 4 } },
  {
    ...common,
    name: 'test',
    needs: { lib: 'agreed' },
    policy: { agree: 2, of: 3, cosign: 'none', rounds: 2 },
  },
];

const operatorsOf = (behaviours: Behaviour[]): Scenario['operators'] =>
  behaviours.map((behaviour, n) => ({ name: `op${n}`, hosts: [`op${n}`], behaviour, joinsLate: false }));

/** Mistakes with jobs that rest on others, and with what is told of contradicted ones, by name. */
export const pipelineBugs = {
  'inputs-count-for-nothing': {
    says: 'the needs of a job are forgotten once it is being built',
    caughtBy: 'pipelines',
    scenario: { trusted: 'late' as const, works: pipelineOfTwo() },
    patches: breakingAfter(({ state: { runs } }) => {
      for (const run of runs.values()) {
        const { needs, ...payload } = run.request.payload;
        if (needs !== undefined && run.rounds.length > 0) run.request = { ...run.request, payload };
      }
    }),
  },
  'lost-input-ends-all': {
    says: 'a job whose input was contradicted ends, as if it were not wanted any more',
    caughtBy: 'rebuilt',
    scenario: {
      trusted: 'late' as const,
      works: pipelineOfTwo(),
      revokes: undefined,
      charters: [],
      operators: operatorsOf([...Array<Behaviour>(5).fill('tampers-alike'), 'honest', 'honest', 'honest']),
      grantSeconds: 24 * 3600,
    },
    patches: breakingAfter((controller) => {
      for (const run of [...controller.state.index.open.values()]) {
        if (run.phase.kind !== 'waiting' || run.rounds.length === 0) continue;
        run.phase = { kind: 'cancelled', reason: 'lib, which it needs, was contradicted', published: null };
        controller.state.index.ended(run);
      }
    }),
  },
  'revocation-not-passed-on': {
    says: 'a revocation voids a verdict, and not those of jobs that read its artifact',
    caughtBy: 'rebuilt',
    scenario: {
      trusted: 'there' as const,
      works: pipelineOfTwo(2),
      charters: [],
      grantSeconds: 24 * 3600,
      operators: operatorsOf(Array<Behaviour>(4).fill('honest')),
      revokes: { operator: 'op0', afterMs: 200_000, ever: true },
      faultsMs: 240_000,
    },
    patches: breaking((controller, handle) => (event, now) => {
      const effects = handle(event, now);
      const { state } = controller;
      for (const run of state.index.latest())
        if (run.request.payload.needs !== undefined) {
          run.revoked = null;
          state.recalls.delete(run.id);
        }
      return effects.filter((effect) => effect.kind !== 'recall' || state.recalls.has(effect.run));
    }),
  },
  'compared-too-early': {
    says: 'the result of the trusted worker is told when it contradicts operators, while fresh ones build',
    caughtBy: 'sealed',
    scenario: {
      trusted: 'there' as const,
      works: pipelineOfTwo().slice(0, 1),
      revokes: undefined,
      charters: [],
      operators: operatorsOf([...Array<Behaviour>(5).fill('tampers-alike'), 'honest', 'honest', 'honest']),
      grantSeconds: 24 * 3600,
    },
    patches: breaking(
      (controller, handle) => (event, now) =>
        handle(event, now).map((effect) => {
          if (effect.kind !== 'progress' || effect.progress.kind !== 'contradicted') return effect;
          const receipts = controller.state.runs.get(effect.run)?.receipts ?? [];
          const own = receipts.find(({ slot }) => isTrustedSlot(slot));
          const trusted = own === undefined ? null : artifactOf(own.outcome);
          return { ...effect, progress: { ...effect.progress, trusted } };
        }),
    ),
  },
  'instances-forgotten': {
    says: 'a run that opens again after a revocation forgets what it was built on before',
    caughtBy: 'instances',
    patches: breakingAfter(({ state }, event) => {
      const run = event.kind === 'recalled' ? state.runs.get(event.run) : undefined;
      if (run !== undefined) run.earlier = [];
    }),
  },
};
