const sizes = new Map([
  ['KiB', 2 ** 10],
  ['MiB', 2 ** 20],
  ['GiB', 2 ** 30],
  ['TiB', 2 ** 40],
]);
const times = new Map([
  ['s', 1],
  ['m', 60],
  ['h', 3600],
]);

/** A whole number and a unit, without a sign, a fraction or a space: one spelling for one amount. */
function parseAmount(text: string, units: ReadonlyMap<string, number>): number | undefined {
  const [, amount, unit = ''] = /^([1-9]\d{0,8})([A-Za-z]+)$/.exec(text) ?? [];
  const factor = units.get(unit);
  return amount === undefined || factor === undefined ? undefined : Number(amount) * factor;
}

/** `512MiB` → bytes; undefined for anything but a whole number of KiB, MiB, GiB or TiB. */
export function parseBytes(text: string): number | undefined {
  return parseAmount(text, sizes);
}

/** `20m` → seconds; undefined for anything but a whole number of s, m or h. */
export function parseSeconds(text: string): number | undefined {
  return parseAmount(text, times);
}
