import { expect, it } from 'vitest';
import { steadyTime } from '../../src/node/steady-time.ts';

it('counts the time for which the host slept, and nothing twice', () => {
  let fine = 100;
  let boot = 70;
  const steady = steadyTime(
    () => fine,
    () => boot,
  );
  const pass = (seconds: number) => {
    fine += seconds * 1000;
    boot += seconds;
  };
  expect(steady()).toBe(100);
  pass(5);
  expect(steady()).toBe(5_100);
  boot += 3_600;
  pass(2);
  expect(steady()).toBe(3_607_100);
  pass(2);
  expect(steady()).toBe(3_609_100);
  // A fraction of a second is no sleep.
  boot += 0.4;
  pass(2);
  expect(steady()).toBe(3_611_100);
});

it('looks once a second, and takes two seconds more for a sleep', () => {
  let fine = 0;
  let boot = 0;
  const steady = steadyTime(
    () => fine,
    () => boot,
  );
  boot += 1 + 2;
  fine = 999;
  expect(steady()).toBe(999);
  fine = 1_000;
  expect(steady()).toBe(3_000);
  boot += 1 + 1.999;
  fine = 2_000;
  expect(steady()).toBe(4_000);
});
