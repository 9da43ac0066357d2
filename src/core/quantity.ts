const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** `512 B`, `1.5 KiB`, `2 GiB`: one decimal below ten. */
export function sizeText(count: number): string {
  let value = count;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  const text =
    value < 10 && unit > 0 ? (Math.round(value * 10) / 10).toString() : Math.round(value).toString();
  return `${text} ${units[unit]}`;
}

/** Two different sizes for one sentence: where they would read alike, in units small enough to tell them apart. */
export function sizeTexts(one: number, other: number): [string, string] {
  const [a, b] = [sizeText(one), sizeText(other)];
  if (a !== b || one === other) return [a, b];
  const unit = [3, 2, 1].find((n) => Math.floor(one / 1024 ** n) !== Math.floor(other / 1024 ** n)) ?? 0;
  const text = (count: number) => `${Math.floor(count / 1024 ** unit)} ${units[unit]}`;
  return [text(one), text(other)];
}

/** `1 job`, `2 jobs`. */
export const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;
