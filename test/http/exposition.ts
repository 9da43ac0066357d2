/** One family of the text format of Prometheus, version 0.0.4, read strictly. */
export interface Family {
  type: string;
  help: string;
  samples: { name: string; labels: Record<string, string>; value: number }[];
}

const namePattern = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const samplePattern =
  /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (N[aA][nN]|[+-]Inf|[-+0-9.eE]+)$/;

/** Throws at the first line that is not of the format, or that comes before the type of its family. */
export function readExposition(text: string): Map<string, Family> {
  const families = new Map<string, Family>();
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const [, keyword, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (keyword !== undefined) {
      if (!namePattern.test(name)) throw new Error(`no name of a metric: ${name}`);
      const family = families.get(name) ?? { type: '', help: '', samples: [] };
      if (keyword === 'TYPE' && family.type !== '') throw new Error(`${name} has two types`);
      families.set(name, { ...family, ...(keyword === 'TYPE' ? { type: rest } : { help: rest }) });
      continue;
    }
    const [, sample, labels = '', value = ''] = samplePattern.exec(line) ?? [];
    if (sample === undefined) throw new Error(`not a sample: ${line}`);
    const family = families.get(sample) ?? families.get(sample.replace(/_(bucket|sum|count)$/, ''));
    if (family === undefined || family.type === '') throw new Error(`${sample} has no type`);
    const pairs = [...labels.matchAll(/([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/g)];
    family.samples.push({
      name: sample,
      labels: Object.fromEntries(pairs.map(([, key, held]) => [key, held])),
      value: Number(value.replace('Inf', 'Infinity')),
    });
  }
  return families;
}
