import { jsonSchemas } from '../../src/cli/json/outputs.ts';
import { undescribed } from './undescribed.ts';

const names = [...jsonSchemas.keys()].sort((a, b) => b.length - a.length);

/** The command that these arguments run: `['worker', 'status', …]`. */
function commandOf(args: readonly string[]): string | undefined {
  const words = args.join(' ');
  return names.find((name) => words === name || words.startsWith(`${name} `));
}

/** Notes a line of `--json` that no schema of `src/cli/json` describes; the end of the test file fails with it. */
export function checkJsonLine(args: readonly string[], value: unknown): void {
  const command = commandOf(args);
  const schema = command === undefined ? undefined : jsonSchemas.get(command);
  const found = schema?.safeParse(value);
  if (found === undefined || found.success || undescribed.length >= 5) return;
  undescribed.push(`quorate ${command} --json: ${JSON.stringify(value).slice(0, 1000)}`);
}
