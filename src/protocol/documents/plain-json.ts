/**
 * Canonical text of null, booleans, safe integers, strings, arrays and plain objects: several times as fast as DAG-JSON. Undefined
 * for all else, and for the key `/`, which DAG-JSON reserves.
 */
export function plainJson(value: unknown): string | undefined {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value);
    case 'number':
      return Number.isSafeInteger(value) && !Object.is(value, -0) ? String(value) : undefined;
    case 'boolean':
      return String(value);
    case 'object':
      return value === null ? 'null' : Array.isArray(value) ? ofArray(value) : ofObject(value);
    default:
      return undefined;
  }
}

function ofArray(values: readonly unknown[]): string | undefined {
  let text = '[';
  // By index: a hole is undefined, and no plain value.
  for (let at = 0; at < values.length; at++) {
    const one = plainJson(values[at]);
    if (one === undefined) return undefined;
    text += at === 0 ? one : `,${one}`;
  }
  return `${text}]`;
}

function ofObject(value: object): string | undefined {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return undefined;
  let text = '{';
  for (const key of Object.keys(value).sort()) {
    const one = key === '/' ? undefined : plainJson((value as Record<string, unknown>)[key]);
    if (one === undefined) return undefined;
    text += `${text === '{' ? '' : ','}${JSON.stringify(key)}:${one}`;
  }
  return `${text}}`;
}
