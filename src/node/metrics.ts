import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { assert } from '../protocol/base/errors.ts';

/** By label, all values that it may have: nothing that a peer or a client chooses becomes one. */
type MetricLabels = Readonly<Record<string, readonly string[]>>;

/** A metric. Names follow https://prometheus.io/docs/practices/naming/. */
interface MetricSpec {
  type: 'counter' | 'gauge' | 'histogram';
  help: string;
  labels?: MetricLabels;
  /** Upper bounds of a histogram, in the unit that the name ends in. */
  buckets?: readonly number[];
}

export type MetricTable = Readonly<Record<string, MetricSpec>>;

type Values = Readonly<Record<string, string>>;
export type Reading = number | readonly (readonly [Values, number])[];

/** Stands for a value that is not among those of its label. */
const otherValue = 'other';

/** The metrics of a table in a registry. A label value that the table does not list is counted as `other`. */
export class Meters<Table extends MetricTable> {
  readonly #registry: Registry;
  readonly #table: Table;
  readonly #made = new Map<string, Counter | Gauge | Histogram>();

  constructor(registry: Registry, table: Table) {
    this.#registry = registry;
    this.#table = table;
  }

  add(name: keyof Table & string, labels: Values = {}, by = 1): void {
    const counter = this.#of(name);
    assert(counter instanceof Counter, 'only a counter is added to');
    counter.inc(this.#bounded(name, labels), by);
  }

  observe(name: keyof Table & string, value: number, labels: Values = {}): void {
    const histogram = this.#of(name);
    assert(histogram instanceof Histogram, 'only a histogram observes');
    histogram.observe(this.#bounded(name, labels), value);
  }

  /** Gives a gauge its value, or a counter its total, whenever it is asked for. */
  read(name: keyof Table & string, value: () => Reading | Promise<Reading>): void {
    this.#make(name, value);
  }

  /** The same of several. */
  readAll(values: { readonly [Name in keyof Table]?: () => Reading | Promise<Reading> }): void {
    for (const [name, value] of Object.entries(values)) this.#make(name, value);
  }

  /** All counters of the table, as zero where nothing was added to them. */
  begin(): void {
    for (const [name, { type, labels = {} }] of Object.entries(this.#table)) {
      const metric = this.#of(name);
      if (type !== 'counter') continue;
      assert(metric instanceof Counter, 'made as its table says');
      for (const values of combinations(labels)) metric.inc(values, 0);
    }
  }

  #of(name: string): Counter | Gauge | Histogram {
    return this.#made.get(name) ?? this.#make(name);
  }

  #make(name: string, read?: () => Reading | Promise<Reading>): Counter | Gauge | Histogram {
    const spec = this.#table[name];
    assert(spec !== undefined, `${name} is in the table`);
    const bounded = (labels: Values) => this.#bounded(name, labels);
    const { help, labels = {}, buckets = [] } = spec;
    const common = { name, help, labelNames: Object.keys(labels), registers: [this.#registry] };
    const collected = { ...common, ...(read && { collect: collectorOf(read, bounded) }) };
    const made =
      spec.type === 'counter'
        ? new Counter(collected)
        : spec.type === 'gauge'
          ? new Gauge(collected)
          : new Histogram({ ...common, buckets: [...buckets] });
    this.#made.set(name, made);
    return made;
  }

  #bounded(name: string, labels: Values): Values {
    const known = this.#table[name]?.labels ?? {};
    return Object.fromEntries(
      Object.entries(known).map(([label, values]) => {
        const value = labels[label] ?? otherValue;
        return [label, values.includes(value) ? value : otherValue];
      }),
    );
  }
}

function collectorOf(
  read: () => Reading | Promise<Reading>,
  bounded: (labels: Values) => Values,
): (this: Counter | Gauge) => Promise<void> {
  return async function () {
    const reading = await read();
    this.reset();
    const rows = typeof reading === 'number' ? [[{}, reading] as const] : reading;
    for (const [labels, value] of rows) this.inc(bounded(labels), value);
  };
}

function combinations(labels: MetricLabels): Values[] {
  return Object.entries(labels).reduce<Values[]>(
    (sets, [label, values]) => sets.flatMap((set) => values.map((value) => ({ ...set, [label]: value }))),
    [{}],
  );
}
