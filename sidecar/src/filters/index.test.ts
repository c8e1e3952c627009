import { expect, test } from 'vitest';
import type { RouteProfile } from '../config/snapshot.ts';
import { RandomWords } from '../observe/random-words.ts';
import { Series } from '../observe/series.ts';
import { buildFilters } from './index.ts';

const context = {
  random: new RandomWords(Math.random),
  series: new Series(),
  ring: null,
  headSampleRatio: 0,
  accessLog: null,
  ownIdentity: () => '',
};
const profile: RouteProfile = {
  name: 'http',
  direction: 'inbound',
  service: 'orders',
  trustsPeer: true,
  upstreamIdentity: '',
};
const namesOf = (direction: RouteProfile['direction']) =>
  buildFilters({ ...profile, direction }, context).map(({ name }) => name);

test('what a request passes, without an access log', () => {
  expect(namesOf('inbound')).toEqual(['metrics', 'request-id', 'trace', 'forwarded']);
  expect(namesOf('outbound')).toEqual(['metrics', 'request-id', 'trace']);
});
