/** Whether a path stays below a folder: relative, without empty, `.` and `..` parts. */
export const isBelow = (path: string): boolean =>
  !path.startsWith('/') && path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
