// Bytes that are the same are found equal at once: vitest compares each by a call, a megabyte in three seconds.
import { expect } from 'vitest';

const added = Symbol.for('quorate.tests.equal-bytes');

const areSame = (a: unknown, b: unknown): true | undefined =>
  a instanceof Uint8Array &&
  b instanceof Uint8Array &&
  Object.getPrototypeOf(a) === Object.getPrototypeOf(b) &&
  Buffer.compare(a, b) === 0
    ? true
    : undefined;

// The testers are those of the process, and so of all its files.
if (!(added in globalThis)) {
  expect.addEqualityTesters([areSame]);
  Object.assign(globalThis, { [added]: true });
}
