/** A line as a page shows it. */
export interface ShownLine {
  n: number;
  before: string;
  mark: string;
  after: string;
  differs?: boolean;
  end?: string;
}

export interface ShownSide {
  lines?: ShownLine[];
  rows?: { offset: number; cells: { hex: string; char: string; differs: boolean }[]; differs: boolean }[];
  ended?: boolean;
  told: string | string[];
}

export interface Shown {
  kind: 'text' | 'bytes' | 'beyond';
  line?: number;
  column?: number;
  offset?: number;
  sides: [ShownSide, ShownSide];
}

export type Reader = (from: number, length: number) => Promise<{ bytes: Uint8Array; whole: boolean }>;

/** The script that a page imports; it has no types. */
const url = new URL('../../../src/http/static/diff-bytes.js', import.meta.url).href;
export const { bounds, compareFiles, differenceOf, sentenceOf } = (await import(url)) as {
  bounds: Record<string, number>;
  compareFiles(readers: readonly [Reader, Reader], isSame?: () => boolean): Promise<Shown | undefined>;
  differenceOf(a: Uint8Array, b: Uint8Array, ends: { aWhole: boolean; bWhole: boolean }): Shown | undefined;
  sentenceOf(difference: Shown, name: string, by: readonly [string, string]): string;
};

/** A file as a server sends it; `read`: how far it was read. */
export function fileOf(bytes: Uint8Array): Reader & { read: number } {
  const read: Reader = async (from, length) => {
    const to = Math.min(bytes.length, from + length);
    reader.read = Math.max(reader.read, to);
    return { bytes: bytes.slice(from, to), whole: to === bytes.length };
  };
  const reader = Object.assign(read, { read: 0 });
  return reader;
}
