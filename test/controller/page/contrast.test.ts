import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const sheet = readFileSync(
  join(import.meta.dirname, '..', '..', '..', 'src', 'http', 'static', 'page.css'),
  'utf8',
);

/** The custom properties of a scheme, each `light-dark(LIGHT, DARK)`. */
function coloursOf(scheme: 'light' | 'dark'): Record<string, string> {
  const found = sheet.matchAll(/--([a-z0-9-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);/g);
  return Object.fromEntries(
    [...found].map(([, name, light, dark]) => [name, scheme === 'light' ? light : dark]),
  );
}

/** WCAG 2.2, relative luminance. */
function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(a: string, b: string): number {
  const [dark = 0, light = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (light + 0.05) / (dark + 0.05);
}

/** Colours of text and of its ground. */
const pairs = [
  ...['text', 'quiet', 'link', 'good', 'some', 'bad'].flatMap((name) => [
    [name, 'page'],
    [name, 'raised'],
  ]),
  ...['good', 'some', 'bad', 'calm'].map((name) => [name, `${name}-back`]),
  // A box of a pipeline.
  ...['good', 'some', 'bad'].flatMap((name) => [
    ['text', `${name}-back`],
    ['quiet', `${name}-back`],
  ]),
  // Lines of a log, and one that was searched for.
  ['c5', 'raised'],
  ['c6', 'raised'],
  ['text', 'mark'],
] as [string, string][];

describe.each(['light', 'dark'] as const)('in the %s scheme', (scheme) => {
  const colours = coloursOf(scheme);
  it.each(pairs)('%s on %s can be read (WCAG AA)', (text, back) => {
    expect(contrast(colours[text] ?? '', colours[back] ?? '')).toBeGreaterThanOrEqual(4.5);
  });
});
