import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const page = fileURLToPath(new URL('../../docs/run-events.md', import.meta.url));

/** Fields of the events that docs/run-events.md lists, by event: those that are always there, and those that may be. */
export function documentedEvents(): Map<string, { always: string[]; sometimes: string[] }> {
  const rows = readFileSync(page, 'utf8').matchAll(/^\| `([a-z-]+)` \| ((?:`[A-Za-z?]+`(?:, )?)+) \|/gm);
  return new Map(
    [...rows].map(([, event = '', fields = '']) => {
      const all = fields.split(', ').map((field) => field.replaceAll('`', ''));
      return [
        event,
        {
          always: all.filter((field) => !field.endsWith('?')),
          sometimes: all.flatMap((field) => (field.endsWith('?') ? [field.slice(0, -1)] : [])),
        },
      ];
    }),
  );
}
