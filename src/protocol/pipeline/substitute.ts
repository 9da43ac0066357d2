const open = '${{';
/** `$${{` stands for the characters `${{`; otherwise these begin `${{ matrix.key }}`. */
const marks = /\$\$\{\{|\$\{\{(?: *matrix\.([A-Za-z_][A-Za-z0-9_]{0,63}) *\}\})?/g;

/**
 * The text with `${{ matrix.key }}` replaced by the value of that key, as it stands: it is not read again, and not quoted for
 * a shell. `fault` says what is wrong with the first mark that stands for nothing.
 */
export function substitute(
  text: string,
  values: Readonly<Record<string, string>>,
): { text: string } | { fault: string } {
  let fault: string | undefined;
  const result = text.replace(marks, (mark, key: string | undefined) => {
    if (mark.startsWith('$$')) return open;
    const value = key !== undefined && Object.hasOwn(values, key) ? values[key] : undefined;
    if (value !== undefined) return value;
    fault ??=
      key === undefined
        ? `"${open}" begins no "${open} matrix.key }}"`
        : `the matrix of the job has no key "${key}"`;
    return '';
  });
  return fault === undefined ? { text: result } : { fault };
}
