interface Schema {
  $ref?: string;
  $defs?: Record<string, Schema>;
  type?: string | string[];
  const?: unknown;
  enum?: unknown[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
  properties?: Record<string, Schema>;
  additionalProperties?: Schema | boolean;
  items?: Schema | boolean;
  prefixItems?: Schema[];
}

/** Members whose values tell one line of an answer from another. */
const telling = /(?:^|\.)(?:event|kind)$/;

/** Every member that a schema of `--json` describes, with each of its types: `account.next[].says string`. Members of a line with an event are below it: `<account>.name string`. */
export function jsonMembers(schema: Schema): string[] {
  const found = new Set<string>();
  const walk = (node: Schema | boolean | undefined, path: string, within: ReadonlySet<string>): void => {
    if (node === undefined || typeof node === 'boolean') return;
    const { $ref, properties = {} } = node;
    if ($ref !== undefined) {
      const at = `${$ref} ${path}`;
      const depth = [...within].filter((one) => one.startsWith(`${$ref} `)).length;
      if (depth < 2) walk(schema.$defs?.[$ref.slice('#/$defs/'.length)], path, new Set([...within, at]));
      return;
    }
    for (const one of [...(node.anyOf ?? []), ...(node.oneOf ?? []), ...(node.allOf ?? [])])
      walk(one, path, within);
    const types = [node.type ?? []].flat();
    if (path !== '') for (const type of types) found.add(`${path} ${type}`);
    if (telling.test(path))
      for (const value of node.enum ?? (node.const === undefined ? [] : [node.const]))
        found.add(`${path} = ${String(value)}`);
    const event = path === '' ? properties.event?.const : undefined;
    const below = event === undefined ? path : `<${String(event)}>`;
    for (const [name, member] of Object.entries(properties))
      walk(member, below === '' ? name : `${below}.${name}`, within);
    walk(node.items, `${path}[]`, within);
    walk(node.additionalProperties, `${path}.*`, within);
    for (const item of node.prefixItems ?? []) walk(item, `${path}[]`, within);
  };
  walk(schema, '', new Set());
  return [...found].sort();
}
