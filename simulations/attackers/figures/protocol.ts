import { tableOf } from '../../report/csv.ts';
import type { Figure } from '../../report/figure.ts';
import { nameOf, policies } from '../policies.ts';
import { predicted, protocolOperatorsMax, protocolRuns } from '../protocol.ts';

/** The real machines, beside draw and decision alone: the same operators in the same slots, and the same verdicts. */
export async function protocolFigure(seed: number, projects: number): Promise<Figure> {
  const records: {
    policy: string;
    seed: number;
    attack: string;
    rounds: number;
    level: string;
    tampered: number;
    alike: number;
  }[] = [];
  for (let n = 0; n < projects; n++) {
    const behaviour = n % 2 === 0 ? 'tampers-alike' : 'tampers-alone';
    const cast = { operators: protocolOperatorsMax - 2, attackers: 4, behaviour, trusted: 'there' } as const;
    for (const found of await protocolRuns(seed * 1_000 + n, { ...cast, policies })) {
      const { level, tampered, rounds } = predicted(found, cast);
      const slots = (all: readonly (readonly string[])[]) => all.map((round) => round.join(' ')).join('; ');
      const alike =
        level === found.level &&
        tampered === found.tampered &&
        slots(rounds) === slots(found.rounds.map(({ operators }) => operators));
      records.push({
        policy: nameOf(found.policy),
        seed: seed * 1_000 + n,
        attack: behaviour,
        rounds: rounds.length,
        level: found.level,
        tampered: found.tampered ? 1 : 0,
        alike: alike ? 1 : 0,
      });
    }
  }
  const alike = records.filter((record) => record.alike === 1).length;
  const counted = (policy: string, of: 'alike' | 'all') =>
    records.filter((record) => record.policy === policy && (of === 'all' || record.alike === 1)).length;
  const names = policies.map(nameOf);
  return {
    name: 'protocol',
    says: `${alike} of ${records.length} runs of the real controller and workers (${protocolOperatorsMax - 2} operators, four of them attackers) leased the same slots and ended as draw and decision alone do`,
    table: tableOf(records),
    plot: {
      title: 'Runs of the real machines that end as draw and decision alone do',
      x: {
        label: 'policy (+: with co-signature)',
        names: names.map((name) => name.replace(' + co-signature', '+').replace(' of ', '/')),
      },
      y: { label: 'runs' },
      series: [
        { name: 'runs', loose: true, points: names.map((name, n) => [n, counted(name, 'all')]) },
        { name: 'alike', loose: true, points: names.map((name, n) => [n, counted(name, 'alike')]) },
      ],
    },
  };
}
