import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseWorkloadId } from './spiffe-id.ts';
import { spiffeIdOf, trustDomainOf } from './uri-name.ts';

const characters = (allowed: string, maxLength: number) =>
  fc.string({ unit: fc.constantFrom(...allowed), minLength: 1, maxLength });
const lower = 'abcdefghijklmnopqrstuvwxyz0123456789-_';
const trustDomains = characters(`${lower}.`, 40);
const segments = characters(`${lower}.ABCDEFGHIJKLMNOPQRSTUVWXYZ`, 20).filter(
  (text) => !/^\.\.?$/.test(text),
);
const workloads = fc.record({ trustDomain: trustDomains, namespace: segments, serviceAccount: segments });

function format(id: { trustDomain: string; namespace: string; serviceAccount: string }): string {
  return `spiffe://${id.trustDomain}/ns/${id.namespace}/sa/${id.serviceAccount}`;
}

describe('parseWorkloadId', () => {
  it('gives back what an id was made of', () => {
    fc.assert(
      fc.property(workloads, (id) => {
        expect(parseWorkloadId(format(id))).toEqual(id);
      }),
    );
  });

  it('knows one spelling only: an id with any one character put in is another id or none', () => {
    const insertion = fc.tuple(
      workloads,
      fc.nat(),
      fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
    );
    fc.assert(
      fc.property(insertion, ([id, at, extra]) => {
        const text = format(id);
        const position = at % (text.length + 1);
        const parsed = parseWorkloadId(text.slice(0, position) + extra + text.slice(position));
        expect(parsed).not.toEqual(id);
      }),
    );
  });

  it.each([
    ['another scheme', 'https://a.test/ns/b/sa/c'],
    ['an upper-case scheme', 'SPIFFE://a.test/ns/b/sa/c'],
    ['no trust domain', 'spiffe:///ns/b/sa/c'],
    ['an upper-case trust domain', 'spiffe://A.test/ns/b/sa/c'],
    ['a port', 'spiffe://a.test:443/ns/b/sa/c'],
    ['user info', 'spiffe://me@a.test/ns/b/sa/c'],
    ['a query', 'spiffe://a.test/ns/b/sa/c?d'],
    ['a fragment', 'spiffe://a.test/ns/b/sa/c#d'],
    ['percent encoding', 'spiffe://a.test/ns/b/sa/%63'],
    ['an empty segment', 'spiffe://a.test/ns//sa/c'],
    ['a trailing slash', 'spiffe://a.test/ns/b/sa/c/'],
    ['a trailing line feed', 'spiffe://a.test/ns/b/sa/c\n'],
    ['a dot segment', 'spiffe://a.test/ns/../sa/c'],
    ['another form of path', 'spiffe://a.test/b/c'],
    ['a longer path', 'spiffe://a.test/ns/b/sa/c/d'],
    ['too many bytes', `spiffe://a.test/ns/b/sa/${'c'.repeat(2048)}`],
  ])('refuses %s', (_, text) => {
    expect(parseWorkloadId(text)).toBeNull();
  });
});

describe('spiffeIdOf', () => {
  const id = 'spiffe://a.test/ns/b/sa/c';

  it('finds the one URI name among others', () => {
    expect(spiffeIdOf(`URI:${id}`)).toBe(id);
    expect(spiffeIdOf(`DNS:localhost, URI:${id}, IP Address:127.0.0.1`)).toBe(id);
    expect(spiffeIdOf(`othername:<unsupported>, DirName:"O = A, CN = \\"b\\"", URI:${id}`)).toBe(id);
  });

  it.each([
    ['no extension', undefined],
    ['no name', ''],
    ['no URI', 'DNS:localhost'],
    ['two URIs', `URI:${id}, URI:spiffe://a.test/ns/b/sa/d`],
    ['the same URI twice', `URI:${id}, URI:${id}`],
    ['a URI that is no SPIFFE id beside one that is', `URI:${id}, URI:https://a.test`],
    ['a trust domain without a path', 'URI:spiffe://a.test'],
    ['a URI inside a quoted DNS name', `DNS:"a, URI:${id}"`],
    ['a URI inside a quoted directory name', `DirName:"CN = a\\", URI:${id}"`],
    ['a quoted URI', `URI:"${id}"`],
    ['a type that ends in URI', `XURI:${id}`],
    ['an open quote', `DNS:"a, URI:${id}`],
    ['a separator at the end', `URI:${id}, `],
    ['text without a type', id],
  ])('is null for %s', (_, names) => {
    expect(spiffeIdOf(names)).toBeNull();
  });

  it('never finds an id inside the value of another name', () => {
    // Node quotes values with special characters as JSON; whatever they hold stays a value.
    const values = fc.string({ unit: fc.constantFrom(...'aU:R"I\\, ', `, URI:${id}`) });
    fc.assert(
      fc.property(values, (value) => {
        expect(spiffeIdOf(`DNS:${JSON.stringify(value)}`)).toBeNull();
        expect(spiffeIdOf(`DNS:${JSON.stringify(value)}, URI:${id}`)).toBe(id);
      }),
    );
  });
});

describe('trustDomainOf', () => {
  it('is the authority part of an id', () => {
    fc.assert(
      fc.property(workloads, (id) => {
        expect(trustDomainOf(format(id))).toBe(id.trustDomain);
      }),
    );
  });
});
