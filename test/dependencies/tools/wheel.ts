import { zip } from './zip.ts';

/** A wheel of one module. `needs`: requirements of its metadata. */
export function wheel(name: string, version: string, says: string, ...needs: string[]): Buffer {
  const info = `${name}-${version}.dist-info`;
  return zip({
    [`${name}.py`]: `says = ${JSON.stringify(says)}\n`,
    [`${info}/METADATA`]: [
      `Metadata-Version: 2.1\nName: ${name}\nVersion: ${version}\n`,
      ...needs.map((requirement) => `Requires-Dist: ${requirement}\n`),
    ].join(''),
    [`${info}/WHEEL`]: 'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
    [`${info}/RECORD`]: [`${name}.py`, `${info}/METADATA`, `${info}/WHEEL`, `${info}/RECORD`]
      .map((path) => `${path},,\n`)
      .join(''),
  });
}
