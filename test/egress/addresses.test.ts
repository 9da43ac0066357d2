import { describe, expect, it } from 'vitest';
import { canonical, isLoopback } from '../../src/egress/addresses.ts';
import { isPublic } from '../../src/egress/index.ts';
import { networksOf } from '../../src/egress/rules.ts';

describe('an address is of the open internet', () => {
  it.each([
    '1.1.1.1',
    '9.255.255.255',
    '100.63.255.255',
    '100.128.0.0',
    '172.15.255.255',
    '172.32.0.0',
    '192.0.1.1',
    '223.255.255.255',
    '2606:4700::1111',
    '2a00::1',
    '2003::1',
  ])('%s', (address) => {
    expect(isPublic(address)).toBe(true);
  });
});

describe('an address is not of the open internet', () => {
  it.each([
    ['this host', '0.0.0.0'],
    ['private', '10.1.2.3'],
    ['private', '172.16.0.1'],
    ['private', '172.31.255.255'],
    ['private', '192.168.1.1'],
    ['carrier-grade NAT', '100.64.0.1'],
    ['loopback', '127.0.0.1'],
    ['loopback', '127.255.255.254'],
    ['where a cloud answers its own machines', '168.63.129.16'],
    ['link-local, where clouds keep their metadata', '169.254.169.254'],
    ['protocol assignments', '192.0.0.8'],
    ['documentation', '192.0.2.1'],
    ['documentation', '198.51.100.1'],
    ['documentation', '203.0.113.1'],
    ['6to4 relay', '192.88.99.1'],
    ['benchmarks', '198.18.0.1'],
    ['multicast', '224.0.0.1'],
    ['reserved', '240.0.0.1'],
    ['broadcast', '255.255.255.255'],
    ['loopback', '::1'],
    ['unspecified', '::'],
    ['IPv4-mapped', '::ffff:127.0.0.1'],
    ['IPv4-mapped, written in hex', '::ffff:7f00:1'],
    ['IPv4-mapped, of a public address too', '::ffff:1.1.1.1'],
    ['IPv4-compatible', '::10.0.0.1'],
    ['NAT64', '64:ff9b::a00:1'],
    ['link-local', 'fe80::1'],
    ['link-local with a zone', 'fe80::1%eth0'],
    ['a zone on a public one', '2606:4700::1111%lo'],
    ['unique-local', 'fc00::1'],
    ['unique-local', 'fdff::1'],
    ['multicast', 'ff02::1'],
    ['documentation', '2001:db8::1'],
    ['Teredo', '2001::1'],
    ['6to4, which holds 10.0.0.1', '2002:a00:1::1'],
    ['no address', 'localhost'],
    ['no address', '0x7f000001'],
    ['no address', '2130706433'],
    ['nothing', ''],
  ])('%s: %s', (_, address) => {
    expect(isPublic(address)).toBe(false);
  });
});

it('near addresses are those of the machine and its neighbours, not half of the internet', () => {
  const near = networksOf([
    { address: '8.8.8.5', cidr: '8.8.8.5/24' },
    { address: '9.9.9.9', cidr: '9.9.9.9/1' },
    { address: '2a00:1450:1::5', cidr: '2a00:1450:1::5/64' },
    { address: '2a00:99::1', cidr: null },
    { address: '11.0.0.5', cidr: '11.0.0.5/8' },
    { address: '2a00:7:7::1', cidr: '2a00:7:7::1/48' },
  ]);
  for (const address of ['8.8.8.5', '8.8.8.255', '9.9.9.9', '11.255.0.1'])
    expect(near.check(address, 'ipv4')).toBe(true);
  for (const address of ['8.8.9.1', '9.9.9.8', '1.1.1.1']) expect(near.check(address, 'ipv4')).toBe(false);
  for (const address of ['2a00:1450:1::5', '2a00:1450:1::6', '2a00:99::1', '2a00:7:7:f::1'])
    expect(near.check(address, 'ipv6')).toBe(true);
  for (const address of ['2a00:1450:1:1::1', '2a00:99::2']) expect(near.check(address, 'ipv6')).toBe(false);
});

it.each([
  ['GIT.Example', 'git.example'],
  ['[2001:DB8:0:0::1]', '2001:db8::1'],
  ['2001:db8:0:0:0:0:0:1', '2001:db8::1'],
  ['FE80::1%eth0', 'fe80::1%eth0'],
  ['192.0.2.1', '192.0.2.1'],
])('a host has one spelling: %s is %s', (host, one) => {
  expect(canonical(host)).toBe(one);
});

it.each([
  ['127.0.0.1', true],
  ['127.255.0.1', true],
  ['::1', true],
  ['128.0.0.1', false],
  ['::2', false],
])('loopback is 127.0.0.0/8 and ::1: %s', (address, is) => {
  expect(isLoopback(address)).toBe(is);
});
