import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { csvOf } from '../../../simulations/report/csv.ts';
import { commandOf, runStudy } from '../../../simulations/report/figure.ts';
import { measure, type Plot, svgOf } from '../../../simulations/report/plot.ts';

const plot: Plot = {
  title: 'Tampered artifacts <accepted>',
  x: { label: 'attackers (% of operators)' },
  y: { label: 'accepted (share of jobs)', scale: 'log', from: 1e-4, to: 1 },
  series: [
    {
      name: '2 of 3',
      points: [
        [0, 0],
        [20, 0.104],
        [60, 0.648],
      ],
    },
    {
      name: '1 & alone',
      points: [
        [0, 0],
        [20, 0.2],
      ],
      loose: true,
    },
  ],
};
const command = commandOf('attackers', 1);

describe('a table', () => {
  it('is CSV with its command on top, and six digits of each number', () => {
    const table = {
      columns: ['policy', 'accepted'],
      rows: [
        ['2 of 3, "fresh"', 0.1 + 0.2],
        ['1', 12345678],
      ],
    };
    expect(csvOf(table, command)).toBe(
      `# ${command}\npolicy,accepted\n"2 of 3, ""fresh""",0.3\n1,12345700\n`,
    );
  });
});

describe('an axis', () => {
  it('has round steps from 0 on', () => {
    const { ticks, place } = measure({ label: '' }, [3, 47]);
    expect(ticks.map(({ text }) => text)).toEqual(['0', '10', '20', '30', '40', '50']);
    expect(place(25)).toBe(0.5);
  });

  it('has powers of ten, and says that smaller values are drawn at its beginning', () => {
    const { ticks, place } = measure({ label: '', scale: 'log', from: 1e-4 }, [0, 1]);
    expect(ticks.map(({ text }) => text)).toEqual(['≤ 1e-4', '0.001', '0.01', '0.1', '1']);
    expect([place(0), place(0.01), place(1)]).toEqual([0, 0.5, 1]);
  });

  it('has names', () => {
    const { ticks, place } = measure({ label: '', names: ['one', 'two'] }, []);
    expect(ticks).toEqual([
      { at: 0, text: 'one' },
      { at: 1, text: 'two' },
    ]);
    expect(place(1)).toBe(0.75);
  });
});

describe('a plot', () => {
  it('tells series apart by shape and dash, in both themes, and names axes and command', () => {
    const svg = svgOf(plot, command);
    expect(svg).toBe(svgOf(plot, command));
    expect(svg).toContain('prefers-color-scheme:dark');
    expect(svg).toContain('Tampered artifacts &lt;accepted&gt;');
    expect(svg).toContain('1 &amp; alone');
    expect(svg).toContain(`Made by: ${command}</desc>`);
    for (const { label } of [plot.x, plot.y]) expect(svg).toContain(label);
    const [first = '', second = ''] = [0, 1].map(
      (n) => new RegExp(`class="f${n}" d="([^"]+)"`).exec(svg)?.[1],
    );
    expect(first).not.toBe(second);
    // A loose series has marks and no line.
    expect(svg.match(/class="s0"/g)).toHaveLength(2);
    expect(svg.match(/class="s1"/g)).toBeNull();
  });

  it('refuses more series than it can tell apart', () => {
    const series = Array.from({ length: 9 }, (_, n) => ({ name: `${n}`, points: [[0, 0]] as const }));
    expect(() => svgOf({ ...plot, series }, command)).toThrow('at most 8 series');
  });
});

describe('figures', () => {
  const folder = mkdtempSync(join(tmpdir(), 'quorate-figures-'));
  afterEach(() => rmSync(folder, { recursive: true }));

  it('are told, and written with the command in both files', async () => {
    const figure = { name: 'accepted', says: 'one in ten', table: { columns: ['x'], rows: [[1]] }, plot };
    const told: string[] = [];
    const out = join(folder, 'new');
    const asked = { what: 'attackers', seed: 1, say: (line: string) => void told.push(line) };
    await runStudy((seed) => [{ ...figure, says: `${figure.says}, seed ${seed}` }], {
      ...asked,
      out: undefined,
    });
    expect(told).toEqual(['accepted: one in ten, seed 1']);
    expect(existsSync(out)).toBe(false);
    await runStudy(() => [figure], { ...asked, out });
    expect(readdirSync(out)).toEqual(['accepted.csv', 'accepted.svg']);
    for (const file of ['accepted.csv', 'accepted.svg'])
      expect(readFileSync(join(out, file), 'utf8')).toContain(command);
  });
});
