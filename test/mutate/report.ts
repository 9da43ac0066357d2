import { describe, kinds, type Mutation } from './operators.ts';
import { lint, type Outcome } from './trial.ts';

export interface Tried {
  readonly mutation: Mutation;
  readonly equivalent: boolean;
  /** Absent while it has not been tried. */
  readonly outcome: Outcome | undefined;
}

interface Row {
  readonly path: string;
  readonly tried: number;
  readonly killed: number;
  readonly byLint: number;
  readonly equivalent: number;
}

const percent = ({ tried, killed }: Row) => (tried === 0 ? '-' : `${((100 * killed) / tried).toFixed(1)} %`);

function rowOf(path: string, all: readonly Tried[]): Row {
  const counted = all.filter(({ equivalent, outcome }) => !equivalent && outcome !== undefined);
  const killed = counted.filter(({ outcome }) => outcome?.killed === true).length;
  return {
    path,
    tried: counted.length,
    killed,
    byLint: counted.filter(({ outcome }) => outcome?.by === lint).length,
    equivalent: all.filter(({ equivalent }) => equivalent).length,
  };
}

const header = (of: string): string[] => [
  `| ${of} | mutations | killed | of these by lint | equivalent | rate |`,
  '|---|---:|---:|---:|---:|---:|',
];
const lineOf = (row: Row): string =>
  `| ${row.path} | ${row.tried} | ${row.killed} | ${row.byLint} | ${row.equivalent} | ${percent(row)} |`;

/** Tables by folder and by kind, and the survivors. */
export function report(byFolder: ReadonlyMap<string, readonly Tried[]>): string[] {
  const all = [...byFolder.values()].flat();
  const survivors = all.filter(({ equivalent, outcome }) => !equivalent && outcome?.killed === false);
  return [
    ...header('folder'),
    ...[...byFolder].map(([path, some]) => lineOf(rowOf(path, some))),
    lineOf(rowOf('all', all)),
    '',
    ...header('kind'),
    ...kinds.map((kind) =>
      lineOf(
        rowOf(
          kind,
          all.filter(({ mutation }) => mutation.kind === kind),
        ),
      ),
    ),
    '',
    ...survivors.map(({ mutation, outcome }) => {
      const ran = outcome?.tests === 0 ? 'no test executes it' : `${outcome?.tests} files of tests`;
      const left = outcome?.left ? `, ${outcome.left} beyond the budget` : '';
      return `survived: ${describe(mutation)} (${ran}${left})`;
    }),
  ];
}
