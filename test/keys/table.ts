export const states = [
  'in force',
  'two keys at once',
  'rotated out',
  'left out',
  'revoked by the root',
] as const;
export type State = (typeof states)[number];

/** Descriptions of the states, for the page. */
export const stateTexts: Record<State, string> = {
  'in force': 'The charter in force names the key; a member has a grant that lasts.',
  'two keys at once':
    'The charter names another key of this kind before it; an operator has a second host, which signs too.',
  'rotated out':
    'The charter in force names another key in its place. A bundle comes with the charter of then, which names this one.',
  'left out': 'The charter beside the document does not name the key; the grant of a member had ended.',
  'revoked by the root':
    'The root revoked the key from the first leaf of the log on, and who is asked knows that.',
};

export const parties = [
  'controller',
  'worker',
  'trusted worker',
  'fetch',
  'verify',
  'verify --online',
  'page',
  'on',
  'store',
  'watch',
] as const;
export type Party = (typeof parties)[number];

export type Key =
  | 'root'
  | 'controller'
  | 'log'
  | 'identity provider'
  | 'trusted worker'
  | 'operator'
  | 'publisher'
  | 'watcher';

/** Parties that verify bundles. */
const readers = parties.filter((party) => party !== 'controller' && party !== 'worker');

export interface Row {
  key: Key;
  document: string;
  /** Parties that take such a document, by itself or in a bundle. */
  takenBy: readonly Party[];
}

/** Every document that a key can sign. A store signs none: what it keeps is proven by the bytes. */
export const rows: readonly Row[] = [
  { key: 'root', document: 'charter', takenBy: ['controller', 'worker', ...readers] },
  { key: 'root', document: 'revocation', takenBy: ['controller', 'worker', ...readers] },
  { key: 'controller', document: 'offer', takenBy: ['worker', ...readers] },
  { key: 'controller', document: 'lease', takenBy: readers },
  { key: 'controller', document: 'verdict', takenBy: readers },
  { key: 'log', document: 'checkpoint', takenBy: ['worker', ...readers] },
  { key: 'identity provider', document: 'invite', takenBy: ['controller'] },
  { key: 'identity provider', document: 'grant', takenBy: ['controller', 'worker', ...readers] },
  { key: 'identity provider', document: 'revocation', takenBy: ['controller', 'worker', ...readers] },
  { key: 'trusted worker', document: 'claim', takenBy: ['controller'] },
  { key: 'trusted worker', document: 'receipt', takenBy: ['controller', ...readers] },
  { key: 'trusted worker', document: 'co-signature', takenBy: readers.slice(1) },
  { key: 'trusted worker', document: 'line under a checkpoint', takenBy: readers.slice(1) },
  { key: 'operator', document: 'claim', takenBy: ['controller'] },
  { key: 'operator', document: 'receipt', takenBy: ['controller', ...readers] },
  { key: 'operator', document: 'line under a checkpoint', takenBy: readers.slice(1) },
  { key: 'publisher', document: 'request', takenBy: ['controller', 'worker', ...readers] },
  { key: 'watcher', document: 'request', takenBy: ['controller', 'worker', ...readers] },
];

export const rowOf = ({ key, document }: Pick<Row, 'key' | 'document'>): string => `${key}: ${document}`;

/** "accepted", an error code, or what becomes of it otherwise. */
export type Answer = string;

/** By row and state: what each party answers. */
export type Cells = Readonly<Record<string, Partial<Record<State, Partial<Record<Party, Answer>>>>>>;
