import type { NodeKey } from '../../src/identity/keys.ts';
import type { Recipe, Run } from '../support/project.ts';
import * as them from '../support/project.ts';
import { ada, bob, type Holder, holds, honest } from './holders.ts';

const evilFile = { name: 'app', digest: { sha256: 'e'.repeat(64) } };
const lie = <T extends { subject: { name: string; digest: { sha256: string } }[] }>(statement: T): T => ({
  ...statement,
  subject: [...statement.subject.slice(0, 1), evilFile],
});
const invented: Run[] = ['m1', 'm2', 'm3'].map((operator) => ({ operator, builds: 'evil' }));
const evil = { level: 'trusted', outcome: them.exit('evil') } as const;

/** A commit nobody has looked at, as request and job name it. */
function ofCommit(commit: string): Recipe {
  const { source } = them.makeJob();
  return {
    ...honest,
    job: { source: { ...source, commit } },
    request: (request) => ({ ...request, commit }),
  };
}
const otherCommit = ofCommit('e'.repeat(40));

/** Changes of more than one document. */
interface Whole {
  /** Keys that an attacker needs. */
  by: readonly NodeKey[];
  /** `lies`: whether the holder speaks for whoever did this run. */
  recipe: (lies: (run: Run) => boolean) => Recipe;
}
const wholes: Record<string, Whole> = {
  'asks for another commit': { by: [them.publisher], recipe: () => otherCommit },
  'asks for no co-signature': {
    by: [them.publisher],
    recipe: () => ({ ...honest, policy: { ...them.policy, cosign: 'none' } }),
  },
  'asks for less than the floor': {
    by: [them.publisher],
    recipe: () => ({ ...honest, policy: { ...them.policy, agree: 1, of: 1 } }),
  },
  'asks for the source of another server': {
    by: [them.publisher],
    recipe: () => {
      const repo = 'https://evil.example/app.git';
      const { source } = them.makeJob();
      const job = { source: { ...source, url: repo } };
      return { ...honest, job, request: (request) => ({ ...request, repo }) };
    },
  },
  'builds something else': { by: [], recipe: (lies) => runsThat(lies) },
  'builds something else, and states that it is trusted': {
    by: [them.controller],
    recipe: (lies) => ({ ...runsThat(lies), ...evil }),
  },
  'builds something else, while the trusted worker is away': {
    by: [ada, bob],
    recipe: (lies) => ({ ...runsThat(lies), own: null }),
  },
  'invents operators': {
    by: [them.controller, them.idp],
    recipe: (lies) => ({ ...runsThat(lies), runs: invented, ...evil }),
  },
  'invents operators, and keeps the trusted worker away': {
    by: [them.controller, them.idp],
    recipe: () => ({ runs: invented, own: null, ...evil }),
  },
  'invents operators, and states no more than agreement': {
    by: [them.controller, them.idp],
    recipe: () => ({ runs: invented, own: null, ...evil, level: 'agreed' }),
  },
  'invents operators and a publisher, and asks for no co-signature': {
    by: [them.controller, them.idp, them.log],
    recipe: () => ({
      ...otherCommit,
      runs: invented,
      own: null,
      policy: { ...them.policy, cosign: 'none' },
      keys: { publisher: them.testKey('m publisher') },
    }),
  },
  'invents operators that list false hashes': {
    by: [them.controller, them.idp],
    recipe: (lies) => ({
      runs: invented.map(({ operator }) => ({ operator, builds: 'good' })),
      level: 'trusted',
      outcome: them.exit('good'),
      receipt: (receipt, run) => (lies(run) ? lie(receipt) : receipt),
      verdict: lie,
    }),
  },
  'invents a publisher': {
    by: [them.idp],
    recipe: () => ({ ...otherCommit, keys: { publisher: them.testKey('m publisher') } }),
  },
  'lists false hashes beside the right tree': {
    by: [],
    recipe: (lies) => ({ ...honest, receipt: (receipt, run) => (lies(run) ? lie(receipt) : receipt) }),
  },
  'lists false hashes, and states them in the verdict': {
    by: [them.controller],
    recipe: (lies) => ({
      ...honest,
      level: 'trusted',
      outcome: them.exit('good'),
      receipt: (receipt, run) => (lies(run) ? lie(receipt) : receipt),
      verdict: lie,
    }),
  },
  'leaves a receipt out that is in the log': {
    by: [them.controller],
    recipe: () => ({
      ...honest,
      verdictFacts: (facts) => ({
        ...facts,
        receipts: facts.receipts.filter(({ operator }) => operator !== 'eve'),
      }),
      bundle: (bundle) => ({ ...bundle, receipts: bundle.receipts.toSpliced(2, 1) }),
    }),
  },
};

/** The honest runs, but that those who lie build something else. */
function runsThat(lies: (run: Run) => boolean): Recipe {
  const ended = (run: Run): Run => (lies(run) ? { ...run, builds: 'evil' } : run);
  return {
    runs: (honest.runs ?? []).map(ended),
    own: ended({ operator: 'owner', slot: 'trusted', builds: 'good' }),
  };
}

export function wholesOf(holder: Holder): [string, Recipe][] {
  return Object.entries(wholes).flatMap(([name, { by, recipe }]) =>
    by.every((key) => holder.keys.includes(key)) ? [[name, recipe((run) => holds(holder, run))]] : [],
  );
}
