/** Whether one leaf of the log comes before another, by their indexes. */
export const precedes = (index: number, other: number): boolean => index < other;
