import { paintFor } from '../../mesh/cli/trace/paint.ts';
import type { AlertChange } from './alert-watch.ts';
import type { Told } from './told.ts';

// What the reader sees: one line for each thing that happens, with the seconds since the start.

export class Screen {
  readonly #paint = paintFor(process.stdout);
  readonly #beganMs = performance.now();

  banner(): void {
    this.say(
      [
        this.#paint(
          'bold',
          'The mesh of `npm start`, watched: Prometheus, Alertmanager, and a local stand-in for who is paged.',
        ),
        'The rules are those of alerts/ with shortened times: burn rates look at seconds instead of hours (examples/observe/windows.yaml), and what has to',
        'hold for a minute, or waits in a queue for one, needs 3 s. Thresholds are the real ones.',
        '',
      ].join('\n'),
    );
  }

  say(text: string): void {
    process.stdout.write(`${text}\n`);
  }

  step(text: string): void {
    this.#line(this.#paint('bold', text));
  }

  changed({ alert, labels, state, summary }: AlertChange): void {
    const { alertname: _, severity = '', team: __, ...rest } = labels;
    const about = Object.entries(rest)
      .map(([label, value]) => `${label}=${value}`)
      .join(' ');
    const color = state === 'firing' ? 'red' : state === 'pending' ? 'yellow' : 'green';
    const word = state === 'inactive' ? 'over' : state;
    this.#line(`${this.#paint(color, word.padEnd(8))} ${alert} (${severity}) ${about}`);
    if (state === 'firing') this.#line(`${' '.repeat(9)}${this.#paint('dim', summary)}`);
  }

  told({ who, isResolved, text }: Told): void {
    const word = isResolved ? this.#paint('green', 'resolved') : this.#paint('red', 'told    ');
    this.#line(`${word} → ${who}: ${text}`);
  }

  #line(text: string): void {
    const seconds = ((performance.now() - this.#beganMs) / 1_000).toFixed(1);
    this.say(`${`${seconds} s`.padStart(8)}  ${text}`);
  }
}
