import type { z } from 'zod';
import { cidOf, testKey } from './documents.ts';

/** Texts of which each text in a message takes one. */
const texts = [
  'name',
  'ab'.repeat(32),
  'c0ffee'.padEnd(40, '0'),
  cidOf('sample'),
  testKey('sample').id,
  'A_CODE',
  'https://example.org/feed',
  '/ip4/127.0.0.1/tcp/4001',
  'a/path',
];

/** A value that a schema takes, with every member that it may have. */
export function sampleOf(schema: z.core.$ZodType): unknown {
  const { def } = (schema as z.ZodType)._zod;
  const of = (inner: unknown) => sampleOf(inner as z.core.$ZodType);
  const known = def as unknown as Record<string, unknown>;
  switch (def.type) {
    case 'object':
      return Object.fromEntries(
        Object.entries(known.shape as Record<string, unknown>).map(([name, inner]) => [name, of(inner)]),
      );
    case 'optional':
    case 'nullable':
    case 'default':
    case 'catch':
      return of(known.innerType);
    case 'pipe':
      return of(known.in);
    case 'array':
      return [of(known.element)];
    case 'tuple':
      return (known.items as unknown[]).map(of);
    case 'record':
      return { [String(of(known.keyType))]: of(known.valueType) };
    case 'union':
      return of((known.options as unknown[])[0]);
    case 'literal':
      return (known.values as unknown[])[0];
    case 'enum':
      return Object.values(known.entries as Record<string, unknown>)[0];
    case 'boolean':
      return true;
    case 'null':
      return null;
    case 'number':
      return [1, 0, 2, 3].find((value) => (schema as z.ZodType).safeParse(value).success);
    case 'string': {
      const found = texts.find((value) => (schema as z.ZodType).safeParse(value).success);
      if (found === undefined) throw new Error('no sample for a text: add one to test/support/sample.ts');
      return found;
    }
    default:
      throw new Error(`no sample for ${def.type}`);
  }
}
