import { describe, expect, it } from 'vitest';
import { addResults, noResults, readJunit } from '../../../src/protocol/base/junit.ts';

const suites = (inner: string) => `<?xml version="1.0"?>\n<testsuites name="all">${inner}</testsuites>`;

describe('results of tests in the XML of JUnit', () => {
  it('are counted, and cases that failed are named with the reason', () => {
    const text = suites(`
      <!-- <testcase name="in a comment"/> -->
      <testsuite name="lock" tests="5">
        <properties><property name="a" value="b"/></properties>
        <testcase classname="Lock" name="opens" time="0.25"/>
        <testcase name="closes &amp; &#x6f;pens" time="1.5"><failure message="expected 1 &lt; 2" type="E">at line 7</failure></testcase>
        <testcase name="bolts"><error><![CDATA[
no <bolt>
second]]></error><system-out>x</system-out></testcase>
        <testcase name='later'><skipped/></testcase>
        <testcase name="logs"><system-err>failure</system-err></testcase>
      </testsuite>
      <testsuite name="door"><testcase name="swings"/></testsuite>`);
    expect(readJunit(text)).toEqual({
      total: 6,
      failed: 2,
      skipped: 1,
      ms: 1_750,
      failures: [
        { suite: 'lock', name: 'closes & opens', says: 'expected 1 < 2' },
        { suite: 'lock', name: 'bolts', says: 'no <bolt>\nsecond' },
      ],
    });
  });

  it.each<[string, string]>([
    ['no XML', 'ok 1 - it works'],
    ['an empty text', ''],
    ['another XML', '<html><testcase name="a"/></html>'],
    ['an element within an attribute', '<a b="<testsuite>"/>'],
    ['an element within CDATA', '<a><![CDATA[<testsuite/>]]></a>'],
  ])('are none in %s', (_name, text) => expect(readJunit(text)).toBeUndefined());

  it.each<[string, string, object]>([
    ['a case that does not end', '<testsuite><testcase name="a"><failure>x', { total: 1, failed: 1 }],
    ['cases within cases', '<testsuite><testcase name="a"><testcase name="b"/></testcase>', { total: 2 }],
    ['an attribute that does not end', '<testsuite><testcase name="a', { total: 1 }],
    ['a comment that does not end', '<testsuite><testcase/><!-- <testcase/>', { total: 1 }],
    [
      'times that are none',
      '<testsuite><testcase time="-1"/><testcase time="x"/><testcase time="1e999"/>',
      { ms: 0 },
    ],
    ['both reasons', '<testsuite><testcase><error/><failure message="x"/></testcase>', { failed: 1 }],
    ['a reason outside a case', '<testsuite><failure message="x"/></testsuite>', { total: 0, failed: 0 }],
    [
      'references to what is declared',
      '<!DOCTYPE a [<!ENTITY x "y">]><testsuite><testcase name="&x;&#1114112;&nbsp;"><failure/></testcase>',
      { failures: [{ suite: '', name: '&x;&#1114112;&nbsp;', says: '' }] },
    ],
  ])('are read with %s', (_name, text, results) => {
    expect(readJunit(text)).toMatchObject(results);
  });

  it('have as many cases and characters as a page shows', () => {
    const failing = `<testcase name="${'n'.repeat(300)}"><failure message="${'m'.repeat(900)}"/></testcase>`;
    const results = readJunit(`<testsuite>${failing.repeat(60)}</testsuite>`) ?? noResults();
    expect([results.failed, results.failures.length]).toEqual([60, 50]);
    expect(results.failures[0]).toEqual({ suite: '', name: 'n'.repeat(200), says: 'm'.repeat(400) });
    const sum = noResults();
    addResults(sum, results);
    addResults(sum, results);
    expect([sum.total, sum.failures.length]).toEqual([120, 50]);
  });

  it('take a time that grows with the length alone', () => {
    for (const part of ['<testcase a="', '<', '&#', ` a='"`, '<testcase ', '<![CDATA[', '<!--'])
      readJunit(`<testsuite>${part.repeat(200_000)}`);
  });
});
