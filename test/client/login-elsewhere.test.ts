import { createServer } from 'node:http';
import { describe, expect, it, onTestFinished } from 'vitest';
import { whoIs } from '../../src/client/login.ts';

describe('a service at which nobody can sign in', () => {
  it.each([
    [404, 'HTTP_NOT_FOUND'],
    [405, 'HTTP_METHOD_NOT_ALLOWED'],
  ])('that answers %d is told to run with --sign-in', async (status, code) => {
    const server = createServer((_, answer) => {
      answer.writeHead(status, { 'content-type': 'application/json' });
      answer.end(JSON.stringify({ error: { code, message: 'nothing here' } }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const { port } = server.address() as { port: number };
    await expect(
      whoIs(`http://127.0.0.1:${port}`, 'token', AbortSignal.timeout(120_000)),
    ).rejects.toMatchObject({ code: 'LOGIN_REFUSED', hint: expect.stringContaining('--sign-in') });
  });
});
