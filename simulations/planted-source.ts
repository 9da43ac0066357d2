import { registerHooks } from 'node:module';
import type { simulate } from './simulate.ts';

/** A mistake in the text of one file: what is replaced there, once, and by what. */
export interface SourceBug {
  /** From `src/` on. */
  file: string;
  from: string;
  to: string;
}

export interface Simulator {
  simulate: typeof simulate;
}

const here = new URL('.', import.meta.url).href;
const root = new URL('..', here).href;
const planted: SourceBug[] = [];
const changed = new Set<SourceBug>();
const mark = /\?planted=(\d+)$/;

/** The simulator with a mistake in one source; all modules are loaded once more. Errors: where the text is not there exactly once. */
export async function simulatorWith(bug: SourceBug): Promise<Simulator> {
  if (planted.length === 0) registerHooks({ resolve, load });
  const n = planted.push(bug) - 1;
  const simulator = (await import(`${here}simulate.ts?planted=${n}`)) as Simulator;
  if (!changed.has(bug)) throw new Error(`the simulator does not load ${bug.file}`);
  return simulator;
}

const isOurs = (url: string): boolean =>
  url.startsWith(root) && url.endsWith('.ts') && !url.includes('/node_modules/');

const resolve: Parameters<typeof registerHooks>[0]['resolve'] = (specifier, context, next) => {
  const found = next(specifier, context);
  const [query] = mark.exec(context.parentURL ?? '') ?? [];
  return query === undefined || !isOurs(found.url) ? found : { ...found, url: found.url + query };
};

const load: Parameters<typeof registerHooks>[0]['load'] = (url, context, next) => {
  const loaded = next(url, context);
  const bug = planted[Number(mark.exec(url)?.[1])];
  if (bug === undefined || url.replace(mark, '') !== `${root}src/${bug.file}`) return loaded;
  const text = Buffer.from(loaded.source as string | Uint8Array).toString();
  if (text.split(bug.from).length !== 2)
    throw new Error(`${bug.file} does not hold exactly once: ${bug.from}`);
  changed.add(bug);
  return { ...loaded, source: text.replace(bug.from, () => bug.to) };
};
