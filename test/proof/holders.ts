import type { NodeKey } from '../../src/identity/keys.ts';
import type { Recipe, Run } from '../support/project.ts';
import * as them from '../support/project.ts';

/** Documents that an attacker may change before it signs them. */
export type Kind =
  | 'job'
  | 'request'
  | 'publisherGrant'
  | 'offer'
  | 'lease'
  | 'grant'
  | 'facts'
  | 'receipt'
  | 'verdictFacts'
  | 'verdict'
  /** The receipts of workers, and the verdict states what they say. */
  | 'stated receipt'
  /** One leaf of the log. */
  | 'log'
  /** Several documents. */
  | 'whole';
export type Document = Exclude<Kind, 'stated receipt' | 'log' | 'whole'>;

/** Holders of these keys, and what they sign with them. */
export interface Holder {
  name: string;
  keys: readonly NodeKey[];
  kinds: readonly Kind[];
}

export const [ada, bob] = ['ada', 'bob'].map((name) => them.workerKey(name)) as [NodeKey, NodeKey];
const controllerKinds = ['offer', 'lease', 'verdictFacts', 'verdict'] as const;
const grants = ['publisherGrant', 'grant'] as const;
const receipts = ['facts', 'receipt'] as const;
const process = [them.controller, them.idp, them.log];

export const holders: readonly Holder[] = [
  { name: 'publisher', keys: [them.publisher], kinds: ['job', 'request', 'whole'] },
  { name: 'identity provider', keys: [them.idp], kinds: [...grants, 'whole'] },
  { name: 'controller', keys: [them.controller], kinds: [...controllerKinds, 'whole'] },
  { name: 'controller process', keys: process, kinds: [...grants, ...controllerKinds, 'log', 'whole'] },
  { name: 'one worker', keys: [ada], kinds: [...receipts, 'whole'] },
  { name: 'N workers', keys: [ada, bob], kinds: [...receipts, 'whole'] },
  { name: 'trusted worker', keys: [them.trusted], kinds: [...receipts, 'whole'] },
  {
    name: 'controller process and N workers',
    keys: [...process, ada, bob],
    kinds: [...receipts, 'stated receipt', 'verdictFacts', 'verdict', 'whole'],
  },
  {
    name: 'controller process and trusted worker',
    keys: [...process, them.trusted],
    kinds: [...grants, ...controllerKinds, ...receipts, 'log', 'whole'],
  },
];

/** The honest project: two operators and the trusted worker build the same, a third something else. */
export const honest: Recipe = {
  runs: [{ operator: 'ada' }, { operator: 'bob' }, { operator: 'eve', builds: 'other' }],
};

export const honestKeys = new Set(
  [
    ...[them.root, them.controller, them.idp, them.log, them.publisher, them.trusted],
    ...(honest.runs ?? []).map(({ operator }) => them.workerKey(operator)),
  ].map(({ id }) => id),
);

/** Also operators that it made up. */
export function holds({ keys }: Holder, run: Run): boolean {
  const { id } = run.slot === 'trusted' ? them.trusted : them.workerKey(run.operator);
  return keys.some((key) => key.id === id) || !honestKeys.has(id);
}
