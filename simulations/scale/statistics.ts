/** Pearson's χ² of counts beside the same expectation for each. */
export function chiSquare(counts: readonly number[], expected: number): number {
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}

/** The value that χ² with so many degrees of freedom exceeds once in a thousand times, by Wilson and Hilferty: within 1 % from five degrees on. */
export function criticalChiSquare(degrees: number): number {
  const z = 3.0902;
  const part = 2 / (9 * degrees);
  return degrees * (1 - part + z * Math.sqrt(part)) ** 3;
}

export interface Sample {
  mean: number;
  /** Half of the interval around the mean in which the true one is, 999 times of a thousand. */
  within: number;
}

export function sampleOf(values: readonly number[]): Sample {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance =
    values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, values.length - 1);
  return { mean, within: 3.2905 * Math.sqrt(variance / values.length) };
}

/** The value below which this part of the values is; `Infinity` where that many never came. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? Number.NaN;
}
