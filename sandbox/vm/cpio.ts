/** A file, folder or symbolic link of an archive. Folders precede their content. */
export interface CpioEntry {
  readonly name: string;
  readonly content?: Uint8Array | string;
  readonly executable?: boolean;
  /** Target of a symbolic link. */
  readonly link?: string;
}

const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;
const S_IFLNK = 0o120000;

/** A cpio archive in `newc` format (Linux, Documentation/driver-api/early-userspace/buffer-format.rst). Deterministic. */
export function cpio(entries: readonly CpioEntry[]): Buffer {
  const parts = entries.flatMap((entry, index) => record(entry, index + 1));
  return Buffer.concat([...parts, ...record({ name: 'TRAILER!!!', content: '' }, 0, 0)]);
}

function record({ name, content, executable, link }: CpioEntry, inode: number, mode?: number): Buffer[] {
  const data = Buffer.from(link ?? content ?? '');
  const type = link !== undefined ? S_IFLNK | 0o777 : content === undefined ? S_IFDIR : S_IFREG;
  const permissions = executable === true || content === undefined ? 0o755 : 0o644;
  const path = Buffer.from(`${name}\0`);
  // Inode, mode, owner, group, links, time, size, four device numbers, length of the name, checksum.
  const fields = [inode, mode ?? type | permissions, 0, 0, 1, 0, data.length, 0, 0, 0, 0, path.length, 0];
  const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`;
  return [padded(Buffer.concat([Buffer.from(header), path])), padded(data)];
}

function padded(bytes: Buffer): Buffer {
  const missing = (4 - (bytes.length % 4)) % 4;
  return missing === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(missing)]);
}
