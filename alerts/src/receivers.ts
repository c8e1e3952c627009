/**
 * What receivers.yaml may say: who is told of which alerts, and how.
 *
 * Invariant: a secret is a file of `secretsFolder`; there is no key that would take one.
 */
import { z } from 'zod';
import { closest } from '../../sidecar/src/config/closest.ts';
import { label, text, url } from '../../sidecar/src/config/values.ts';
import { duration } from './windows.ts';

const name = label;
const secretFile = text(
  (value) => (/^[\w.-]{1,100}$/.test(value) ? null : 'must be the name of a file in secretsFolder'),
  'write the secret into a file there; none may stand here',
);
const webUrl = url(['https:', 'http:']);
const words = z.string().min(1).max(200);

const ways = {
  pagerDuty: z.strictObject({ routingKeyFile: secretFile, url: webUrl.optional() }),
  opsgenie: z.strictObject({ apiKeyFile: secretFile, apiUrl: webUrl.optional() }),
  slack: z.strictObject({ apiUrlFile: secretFile, channel: words }),
  email: z.strictObject({
    to: words,
    from: words,
    smarthost: words,
    username: words,
    passwordFile: secretFile,
  }),
  webhook: z.strictObject({ url: webUrl, tokenFile: secretFile.optional() }),
} as const;

const notifier = z
  .strictObject({
    pagerDuty: ways.pagerDuty.optional(),
    opsgenie: ways.opsgenie.optional(),
    slack: ways.slack.optional(),
    email: ways.email.optional(),
    webhook: ways.webhook.optional(),
  })
  .superRefine((given, context) => {
    const named = Object.values(given).filter((way) => way !== undefined);
    if (named.length === 1) return;
    const message = `must have exactly one of ${Object.keys(ways).join(', ')}`;
    context.addIssue({ code: 'custom', message, params: { suggestion: null } });
  });

const notifiers = z.array(name).min(1).max(8);
const team = z.strictObject({
  page: notifiers,
  ticket: notifiers,
  services: z.record(z.string(), notifiers).default({}),
});
const grouping = z.strictObject({
  by: z
    .array(z.string().regex(/^[a-z_]+$/))
    .min(1)
    .max(8),
  wait: duration,
  interval: duration,
  repeat: duration,
});
const clock = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$|^24:00$/, 'must be a time like 18:00');

export const receiversFile = z
  .strictObject({
    secretsFolder: z.string().startsWith('/'),
    notifiers: z.record(name, notifier),
    teams: z.record(name, team),
    fallback: name,
    watchdog: name,
    grouping: z.strictObject({ page: grouping, ticket: grouping }),
    muteTickets: z
      .strictObject({
        /** A name of the time zone database. */
        location: words,
        times: z
          .array(
            z.strictObject({
              weekdays: z.array(words).optional(),
              times: z.array(z.strictObject({ from: clock, to: clock })).optional(),
            }),
          )
          .min(1),
      })
      .optional(),
  })
  .superRefine(({ notifiers, teams, fallback, watchdog }, context) => {
    const check = (kind: string, known: object, path: (string | number)[], given: string) => {
      if (Object.hasOwn(known, given)) return;
      const near = closest(given, Object.keys(known));
      const params = { suggestion: near === null ? `add it to ${kind}s` : `did you mean "${near}"?` };
      context.addIssue({ code: 'custom', path, message: `names no ${kind}`, params });
    };
    const checkAll = (path: string[], names: readonly string[]) => {
      for (const [at, given] of names.entries()) check('notifier', notifiers, [...path, at], given);
    };
    for (const [team, { page, ticket, services }] of Object.entries(teams)) {
      checkAll(['teams', team, 'page'], page);
      checkAll(['teams', team, 'ticket'], ticket);
      for (const [service, names] of Object.entries(services))
        checkAll(['teams', team, 'services', service], names);
    }
    check('team', teams, ['fallback'], fallback);
    check('notifier', notifiers, ['watchdog'], watchdog);
  });

export type Receivers = z.output<typeof receiversFile>;
export type Notifier = z.output<typeof notifier>;
export type Grouping = z.output<typeof grouping>;
