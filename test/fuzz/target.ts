import type fc from 'fast-check';

/** Input of a decoder: bytes, text, or a value that JSON can hold. */
export type Input =
  | Uint8Array
  | string
  | number
  | boolean
  | null
  | readonly Input[]
  | { [key: string]: Input };

/**
 * One decoder that a stranger reaches, with what it is fed. `run` resolves when the input is taken and throws a
 * `QuorateError` when it is refused; anything else that happens is a finding. What more holds of an input that was
 * taken (it encodes to the same bytes, it does not depend on how it was cut into pieces) `run` checks with `must`.
 */
export interface Target<T extends Input> {
  name: string;
  /** Valid inputs. Each must be taken, or the target would prove nothing. */
  seeds(): Promise<readonly T[]>;
  arbitrary(seeds: readonly T[]): fc.Arbitrary<T>;
  run(input: T): unknown;
  /** Processor time for one input, where more than `msMax` is right: what for is said beside it. */
  msMax?: number;
  /** Ends what `seeds` opened. */
  close?(): Promise<void>;
}

/** A target whose kind of input nobody has to know. */
export type AnyTarget = Target<Input>;

export function define<T extends Input>(target: Target<T>): AnyTarget {
  return target as unknown as AnyTarget;
}

/** Processor time of one input of up to this size, in milliseconds; a larger one may take as much longer. */
export const msMax = 50;
export const sizeMax = 64 * 1024;

/** The decoder did something that no input may make it do. */
export class Broken extends Error {}

/** An oracle beyond "taken or refused". */
export function must(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Broken(what);
}

/** `hex:…` for bytes, JSON for the rest: one line that `--input` takes back. */
export function written(input: Input): string {
  return input instanceof Uint8Array ? `hex:${Buffer.from(input).toString('hex')}` : JSON.stringify(input);
}

export function readBack(line: string): Input {
  return line.startsWith('hex:')
    ? new Uint8Array(Buffer.from(line.slice('hex:'.length), 'hex'))
    : JSON.parse(line);
}
