/** Order of texts by their UTF-16 code units, for `sort`: the same whatever the language of the host is. */
export const compareTexts = (a: string, b: string): number => Number(a > b) - Number(a < b);
