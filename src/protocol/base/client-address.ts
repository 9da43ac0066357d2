/** The key by which clients are limited: an IPv4 address, or an IPv6 /64, which one site has. `remote`: as a socket gives it. */
export function clientOf(remote: string | undefined): string {
  if (remote === undefined) return '';
  const plain = remote.replace(/^::ffff:(?=\d+\.)/, '').replace(/%.*$/, '');
  if (!plain.includes(':')) return plain;
  const [head = '', tail] = plain.split('::');
  const front = head === '' ? [] : head.split(':');
  const back = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : 8 - front.length - back.length;
  const all = [...front, ...Array.from({ length: Math.max(0, zeros) }, () => '0'), ...back];
  // IPv4-mapped, as a URL or a multiaddr has it.
  const mapped = /^(?:0:){5}ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/i.exec(all.join(':'))?.slice(1);
  if (mapped !== undefined)
    return mapped
      .flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff])
      .join('.');
  return `${all.slice(0, 4).join(':')}::/64`;
}
