export interface Member {
  /** Path without "./", repeated slashes and a slash at its end. */
  path: string;
  kind: 'file' | 'dir' | 'link' | 'other';
  size: number;
  /** sha256 of the content in hexadecimal. */
  sha256: string;
  mode: number;
  target?: string | undefined;
  /** All the rest of its metadata but times. */
  rest: string;
  times: string;
}

export interface Listing {
  format: 'tar' | 'zip';
  members: Member[];
  outer: string;
  /** Zeros behind the last member, as readers skip them. */
  padding: number;
  /** Why the order of members may decide what is unpacked; undefined where it does not. */
  orderCounts?: string | undefined;
}

/** Names of what two files may differ in and still have the same content, in the order in which they are named. */
export const normalisations = {
  gzip: 'the compression by gzip',
  'gzip-name': 'the file name in the gzip header',
  zip: 'the compression by zip',
  order: 'the order of members',
  times: 'the times of members',
  padding: 'the padding at the end of the tar',
} as const;
export type Normalisation = keyof typeof normalisations;

type MemberField = 'kind' | 'content' | 'mode' | 'target' | 'metadata';

/** A member that differs. On one side only it is added or removed. */
export interface MemberDifference {
  path: string;
  a: Member | undefined;
  b: Member | undefined;
  fields: MemberField[];
}

/** Compares two archives of one format. Without differences and reasons they hold the same but for the normalisations. */
export function compareListings(a: Listing, b: Listing) {
  const reasons = [...ambiguities('a', a), ...ambiguities('b', b)];
  if (a.outer !== b.outer) reasons.push(`the metadata of the ${a.format} itself differs`);
  const differences = memberDifferences(a, b);
  const found: Normalisation[] = [];
  if (!hasSameOrder(a, b)) {
    found.push('order');
    const why = a.orderCounts ?? b.orderCounts;
    if (why !== undefined) reasons.push(`the order of members differs, and counts: ${why}`);
  }
  const times = new Map(a.members.map((member) => [member.path, member.times]));
  if (b.members.some(({ path, times: other }) => times.has(path) && times.get(path) !== other))
    found.push('times');
  if (a.padding !== b.padding) found.push('padding');
  return { differences, reasons, normalisations: found };
}

function* ambiguities(side: string, { members }: Listing): Generator<string> {
  const seen = new Set<string>();
  for (const { path } of members) {
    if (seen.has(path)) {
      yield `${side} has a member twice, and readers differ in which one they take: ${JSON.stringify(path)}`;
      return;
    }
    seen.add(path);
  }
}

function memberDifferences(a: Listing, b: Listing): MemberDifference[] {
  const right = new Map(b.members.map((member) => [member.path, member]));
  const left = new Map(a.members.map((member) => [member.path, member]));
  const paths = [...new Set([...left.keys(), ...right.keys()])].sort();
  return paths.flatMap((path) => {
    const [one, other] = [left.get(path), right.get(path)];
    const fields = one === undefined || other === undefined ? [] : differingFields(one, other);
    return one !== undefined && other !== undefined && fields.length === 0
      ? []
      : [{ path, a: one, b: other, fields }];
  });
}

function differingFields(a: Member, b: Member): MemberField[] {
  const differs: Record<MemberField, boolean> = {
    kind: a.kind !== b.kind,
    content: a.size !== b.size || a.sha256 !== b.sha256,
    mode: a.mode !== b.mode,
    target: a.target !== b.target,
    metadata: a.rest !== b.rest,
  };
  const found = (Object.keys(differs) as MemberField[]).filter((field) => differs[field]);
  // The raw header holds the other fields too: it is told where nothing else is.
  return found.length > 1 ? found.filter((field) => field !== 'metadata') : found;
}

/** Of what both have: what only one has is told as a difference. */
function hasSameOrder(a: Listing, b: Listing): boolean {
  const [inA, inB] = [a, b].map(({ members }) => new Set(members.map(({ path }) => path)));
  const common = (listing: Listing, other: Set<string> | undefined) =>
    listing.members.map(({ path }) => path).filter((path) => other?.has(path));
  const [left, right] = [common(a, inB), common(b, inA)];
  return left.length === right.length && left.every((path, at) => path === right[at]);
}

/** Why the order of members may decide what is unpacked, from their kinds. */
export function whyOrderCounts(members: readonly Member[]): string | undefined {
  const others = members.filter(({ kind }) => kind === 'other');
  if (others.length > 0) return `${JSON.stringify(others[0]?.path)} is neither a file, a folder nor a link`;
  const kinds = new Map(members.map(({ path, kind }) => [path, kind]));
  for (const { path } of members) {
    const parts = path.split('/');
    if (parts.includes('..')) return `${JSON.stringify(path)} leads upwards`;
    for (let at = 1; at < parts.length; at++) {
      const above = parts.slice(0, at).join('/');
      const kind = kinds.get(above);
      if (kind !== undefined && kind !== 'dir')
        return `${JSON.stringify(path)} is below ${JSON.stringify(above)}, which is no folder`;
    }
  }
  return undefined;
}

/** One spelling of a member's path, so that two names of one file are noticed. */
export function memberPath(name: string): string {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  return `${name.startsWith('/') ? '/' : ''}${parts.join('/')}`;
}
