import { z } from 'zod';
import type { Bounds, Unit } from './units.ts';

/** Schema of text with a unit whose output is a number. Its errors name the input and what is accepted. */
export function amountSchema({ pattern, form, parse, text }: Unit, { min = 0, max = 2 ** 53 }: Bounds = {}) {
  const shown = (input: unknown) => JSON.stringify(input)?.slice(0, 40) ?? 'nothing';
  const error = ({ input }: { input?: unknown }) => `expected ${form}, not ${shown(input)}`;
  return z
    .string({ error })
    .regex(new RegExp(pattern), { error, abort: true })
    .transform((given, context) => {
      const amount = parse(given) ?? Number.NaN;
      if (amount >= min && amount <= max) return amount;
      const range = max === 2 ** 53 ? `expected at least ${text(min)}` : `${text(min)} to ${text(max)}`;
      context.addIssue({ code: 'custom', message: `${given} is out of bounds: ${range}` });
      return z.NEVER;
    });
}
