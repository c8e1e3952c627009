/**
 * The inspectors of one policy: exceptions for some paths alone make an inspector of their own for each set of them that holds together.
 *
 * Invariants: paths are compared strictly, as an allow rule of an AccessPolicy does; a request whose path or target can be read in more than
 * one way has no exceptions but those that hold everywhere. Of paths and paths with all below them, two either contain one another or
 * have nothing in common, so there are no more sets than paths in the config.
 */
import type { RequestHead } from '../../protocol/head.ts';
import { overridesTarget } from '../access/overrides.ts';
import { createPathMatchers, type PathMatcher } from '../access/path-match.ts';
import { RequestPath } from '../access/request-path.ts';
import type { WafException, WafSpec } from './config.ts';
import { type InspectionSettings, Inspector } from './inspector.ts';

const ANYWHERE = '*';

interface Scoped {
  readonly exception: WafException;
  readonly paths: readonly PathMatcher[];
}

/** One for all: nobody waits between reading a path and comparing it. */
const path = new RequestPath();

export class Inspectors {
  private readonly spec: WafSpec;
  private readonly everywhere: readonly WafException[];
  private readonly scoped: readonly Scoped[];
  /** By the exceptions for their paths that hold, a bit each. */
  private readonly known = new Map<number, Inspector>();

  constructor(spec: WafSpec) {
    this.spec = spec;
    this.everywhere = spec.exceptions.filter(({ paths }) => paths === undefined);
    this.scoped = spec.exceptions.flatMap((exception) => {
      const { paths } = exception;
      const matchers = paths === undefined ? null : createPathMatchers({ action: 'allow', to: { paths } });
      return matchers === null ? [] : [{ exception, paths: matchers }];
    });
  }

  for(request: RequestHead): Inspector {
    const holding = this.scoped.length === 0 ? 0 : this.holdingFor(request);
    return this.known.get(holding) ?? this.create(holding);
  }

  private holdingFor(request: RequestHead): number {
    if (!path.read(request) || overridesTarget(request)) return 0;
    let bits = 0;
    for (let i = 0; i < this.scoped.length; i++) {
      const { paths } = this.scoped[i] as Scoped;
      if (paths.some((matcher) => matcher.matches(path))) bits |= 1 << i;
    }
    return bits;
  }

  private create(holding: number): Inspector {
    const { paranoia, body } = this.spec;
    const scoped = this.scoped.filter((_, i) => (holding & (1 << i)) !== 0).map(({ exception }) => exception);
    const exceptions: InspectionSettings['exceptions'] = [...this.everywhere, ...scoped].map(
      ({ rules = [], location = ANYWHERE }) => ({ rules, location }),
    );
    const inspector = new Inspector({
      paranoia,
      maxDepth: body.maxDepth,
      maxFields: body.maxFields,
      exceptions,
    });
    this.known.set(holding, inspector);
    return inspector;
  }
}
