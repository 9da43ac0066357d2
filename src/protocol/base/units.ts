import { sizeText } from './quantity.ts';

const sizes = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 };
const times = { s: 1, m: 60, h: 3600, d: 86_400 };

/** An amount as people write it in the job file, in worker.toml and on the command line: `4GiB`, `20m`, `1MiB/s`. */
export interface Unit {
  /** Regular expression of the accepted forms. */
  pattern: string;
  /** For messages: `a size such as 512MiB or 4GiB`. */
  form: string;
  /** The amount in the base unit; undefined for what does not match. */
  parse(text: string): number | undefined;
  /** The other way, for messages that name a bound: `512MiB`. */
  text(amount: number): string;
}

/** A whole number and a unit, without a sign, a fraction or a space: one spelling for one amount. */
function unit(
  factors: Readonly<Record<string, number>>,
  form: string,
  text: (amount: number) => string,
  suffix = '',
): Unit {
  const pattern = `^[1-9][0-9]{0,8}(${Object.keys(factors).join('|')})${suffix}$`;
  const expression = new RegExp(pattern);
  const parse = (given: string) => {
    const factor = factors[expression.exec(given)?.[1] ?? ''];
    return factor === undefined ? undefined : Number.parseInt(given, 10) * factor;
  };
  return { pattern, form, parse, text };
}

const size = (bytes: number) => sizeText(bytes).replace(' ', '');

export const units = {
  /** In bytes. */
  size: unit(sizes, 'a size such as 512MiB or 4GiB', size),
  /** In seconds. */
  time: unit(times, 'a time such as 90s, 20m, 1h or 7d', (seconds) => `${seconds}s`),
  /** In bytes per second. */
  rate: unit(sizes, 'bytes a second such as 256KiB/s or 2MiB/s', (bytes) => `${size(bytes)}/s`, '/s'),
} as const;

export interface Bounds {
  min?: number | undefined;
  max?: number | undefined;
}
