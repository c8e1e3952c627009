/**
 * What is kept out: by the WAF, by access policies, and by tokens that are not good.
 */
import { ACCESS_DECISIONS } from '../../sidecar/src/filters/access/metrics.ts';
import { JWKS_AGE, JWKS_LOADS, JWT_TOKENS } from '../../sidecar/src/filters/jwt/metrics.ts';
import {
  WAF_BODIES,
  WAF_BODY_BYTES,
  WAF_HELD_BYTES,
  WAF_HITS,
  WAF_HOLD_OVERFLOWS,
  WAF_REQUESTS,
} from '../../sidecar/src/filters/waf/metrics.ts';
import { changesOf } from './annotations.ts';
import { createDashboard } from './dashboard.ts';
import { line } from './line.ts';
import { columnOf, linkTo } from './links.ts';
import { singleStat, timeSeries } from './panel.ts';
import { highest, perSecond, total } from './promql.ts';
import { IN_SERVICE, SERVICE_VARIABLES } from './scopes.ts';
import { ratio } from './signals.ts';
import { valueTable } from './table.ts';
import { above, NONE_ALLOWED } from './thresholds.ts';

const BLOCKED = { ...IN_SERVICE, mode: 'enforce', result: 'blocked' } as const;
const DENIED = { ...IN_SERVICE, decision: 'deny' } as const;
const BAD_TOKEN = { ...IN_SERVICE, outcome: { notLike: 'verified|cached' } } as const;

export const waf = createDashboard({
  name: 'waf',
  title: 'WAF and access',
  description: 'What is kept out: by the WAF, by access policies, and by tokens that are not good.',
  variables: SERVICE_VARIABLES,
  annotations: changesOf(IN_SERVICE),
  rows: [
    {
      title: 'Is somebody trying?',
      panels: [
        singleStat({
          title: 'Blocked',
          description: 'Requests a second that the WAF refused.',
          unit: 'reqps',
          query: perSecond(WAF_REQUESTS, BLOCKED),
        }),
        singleStat({
          title: 'Share blocked',
          description:
            'Of the requests that the WAF inspects. It rises when somebody attacks, or when a release of a service sends what looks like an attack.',
          unit: 'percentunit',
          thresholds: above(0.02, 0.2),
          query: ratio(
            perSecond(WAF_REQUESTS, BLOCKED),
            perSecond(WAF_REQUESTS, { ...IN_SERVICE, mode: 'enforce' }),
          ),
        }),
        singleStat({
          title: 'Denied',
          description: 'Requests and connections a second that access policies refused.',
          unit: 'reqps',
          query: perSecond(ACCESS_DECISIONS, DENIED),
        }),
        singleStat({
          title: 'Bad tokens',
          description: 'Requests a second with a token that is forged, expired, or for somebody else.',
          unit: 'reqps',
          query: perSecond(JWT_TOKENS, BAD_TOKEN),
        }),
        singleStat({
          title: 'Not inspected',
          description:
            'Bodies a second that could not be inspected, since too many bytes were held already: refused, or in shadow mode passed.',
          unit: 'cps',
          thresholds: NONE_ALLOWED,
          query: perSecond(WAF_HOLD_OVERFLOWS, IN_SERVICE),
        }),
        singleStat({
          title: 'Held now',
          description: 'Bytes of bodies that wait for inspection.',
          unit: 'bytes',
          query: total(WAF_HELD_BYTES, IN_SERVICE),
        }),
      ],
    },
    {
      title: 'WAF',
      panels: [
        timeSeries({
          title: 'Requests by result',
          description: 'A second. Those of policies in shadow mode went on, whatever was found.',
          unit: 'reqps',
          stacked: true,
          lines: [
            line(
              perSecond(WAF_REQUESTS, IN_SERVICE, ['mode', 'result']),
              ({ mode, result }) => `${result} (${mode})`,
            ),
          ],
        }),
        timeSeries({
          title: 'Hits by rule',
          description:
            'What was found, a second. One request may hit several rules. A rule that hits all the time where nobody attacks wants an exception.',
          unit: 'cps',
          stacked: true,
          lines: [line(perSecond(WAF_HITS, IN_SERVICE, ['rule']), ({ rule }) => rule)],
        }),
        valueTable({
          title: 'Policies and rules',
          description: 'Where which rule hits.',
          width: 8,
          rows: { service_name: 'service', policy: 'policy', rule: 'rule', mode: 'mode' },
          columns: [
            {
              head: 'hits',
              unit: 'cps',
              query: perSecond(WAF_HITS, IN_SERVICE, ['service_name', 'policy', 'rule', 'mode']),
            },
          ],
          links: [linkTo('service', 'Service', { service: columnOf('service') })],
        }),
        timeSeries({
          title: 'Bodies',
          description:
            'A second, by how far they were looked at. "oversize" and "prefix" are bodies that were not read to their end.',
          unit: 'cps',
          width: 12,
          stacked: true,
          lines: [line(perSecond(WAF_BODIES, IN_SERVICE, ['read']), ({ read }) => read)],
        }),
        timeSeries({
          title: 'Bytes inspected',
          description: 'Of bodies, a second: what the WAF costs goes with it.',
          unit: 'binBps',
          width: 12,
          lines: [
            line(perSecond(WAF_BODY_BYTES, IN_SERVICE, ['service_name']), ({ service_name }) => service_name),
          ],
        }),
      ],
    },
    {
      title: 'Access and tokens',
      panels: [
        timeSeries({
          title: 'Decisions of access policies',
          description: 'A second. "would_deny" is what shadow mode let through: what turning it on would do.',
          unit: 'reqps',
          stacked: true,
          lines: [line(perSecond(ACCESS_DECISIONS, IN_SERVICE, ['decision']), ({ decision }) => decision)],
        }),
        valueTable({
          title: 'Denied by rule',
          description: 'Which rule of which policy denies. Without a rule, nobody was on the list.',
          width: 8,
          rows: { service_name: 'service', policy: 'policy', rule: 'rule' },
          columns: [
            {
              head: 'denied',
              unit: 'reqps',
              query: perSecond(ACCESS_DECISIONS, DENIED, ['service_name', 'policy', 'rule']),
            },
          ],
          links: [linkTo('service', 'Service', { service: columnOf('service') })],
        }),
        timeSeries({
          title: 'Tokens',
          description: 'A second, by what became of them. Cached ones were verified before and cost nothing.',
          unit: 'reqps',
          stacked: true,
          lines: [
            line(
              perSecond(JWT_TOKENS, IN_SERVICE, ['policy', 'outcome']),
              ({ policy, outcome }) => `${policy} ${outcome}`,
            ),
          ],
        }),
        timeSeries({
          title: 'Age of keys',
          description:
            'Since an issuer was last asked for its keys with success. A key that was taken back is believed for as long.',
          unit: 's',
          width: 12,
          thresholds: above(600, 3_600),
          lines: [
            line(
              highest(JWKS_AGE, IN_SERVICE, ['policy', 'issuer']),
              ({ policy, issuer }) => `${policy} ${issuer}`,
            ),
          ],
        }),
        timeSeries({
          title: 'Loads of keys',
          description: 'A second, by result. After one that failed the former keys stay.',
          unit: 'cps',
          width: 12,
          lines: [
            line(
              perSecond(JWKS_LOADS, IN_SERVICE, ['issuer', 'result']),
              ({ issuer, result }) => `${issuer} ${result}`,
            ),
          ],
        }),
      ],
    },
  ],
});
