/** The build's /etc: the same on every machine, and nothing of the host's accounts, names or resolvers. */
export const etcFiles = [
  {
    path: '/etc/passwd',
    text: [
      'root:x:0:0:root:/nonexistent:/usr/sbin/nologin',
      'build:x:1000:1000:build:/build/home:/bin/sh',
      'nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin',
      '',
    ].join('\n'),
  },
  { path: '/etc/group', text: 'root:x:0:\nbuild:x:1000:\nnogroup:x:65534:\n' },
  { path: '/etc/hosts', text: '127.0.0.1 localhost quorate\n::1 localhost quorate\n' },
  { path: '/etc/nsswitch.conf', text: 'passwd: files\ngroup: files\nhosts: files\n' },
];
