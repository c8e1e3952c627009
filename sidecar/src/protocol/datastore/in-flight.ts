/**
 * Commands that wait for their answers, in the order in which they were sent.
 *
 * Invariants: bounded; entries are made as they are needed and used again, so a steady state allocates nothing. A burst's room is given
 * back when everything has been answered.
 */
/** What a command does to the answers of its connection; all but `ending` are Redis's. */
export type CommandRole =
  | 'ordinary'
  | 'hello'
  | 'subscribe'
  | 'unsubscribe'
  | 'monitor'
  | 'multi'
  | 'exec'
  | 'discard'
  | 'reset'
  | 'client_reply'
  /** What follows is another protocol. */
  | 'replication'
  /** The server closes the connection. */
  | 'ending';

export class PendingCommand {
  /** What an answer names, where answers do. */
  id = 0;
  operation = '';
  namespace = '';
  target = '';
  startedMs = 0;
  requestBytes = 0;
  batchSize = 0;
  blocking = false;
  role: CommandRole = 'ordinary';
  /** Redis: replies that are still to come; 0 when that is not known yet. Kafka: version of the request. */
  detail = 0;
  answered = false;
}

const FIRST_ROOM = 8;
/** Room above this is given back. */
const KEPT_ROOM = 256;

export class InFlight {
  private readonly limit: number;
  private entries: PendingCommand[] = [];
  private first = 0;
  private count = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  get head(): PendingCommand | null {
    return this.count === 0 ? null : (this.entries[this.first] as PendingCommand);
  }

  /** A blank entry at the end, or null when there is no room. */
  push(): PendingCommand | null {
    if (this.count === this.entries.length && !this.grow()) return null;
    const entry = this.entries[(this.first + this.count++) & (this.entries.length - 1)] as PendingCommand;
    entry.answered = false;
    return entry;
  }

  /** The first that was not answered and has this id. */
  find(id: number): PendingCommand | null {
    for (let i = 0; i < this.count; i++) {
      const entry = this.at(i);
      if (entry.id === id && !entry.answered) return entry;
    }
    return null;
  }

  /** Lets go of an entry: at once at the head, else when those before it are answered. */
  settle(entry: PendingCommand): void {
    entry.answered = true;
    while (this.count > 0 && this.at(0).answered) {
      this.first = (this.first + 1) & (this.entries.length - 1);
      this.count--;
    }
    if (this.count === 0 && this.entries.length > KEPT_ROOM) {
      this.entries = [];
      this.first = 0;
    }
  }

  forEach(visit: (entry: PendingCommand) => void): void {
    for (let i = 0; i < this.count; i++) if (!this.at(i).answered) visit(this.at(i));
  }

  private at(place: number): PendingCommand {
    return this.entries[(this.first + place) & (this.entries.length - 1)] as PendingCommand;
  }

  private grow(): boolean {
    const room = this.entries.length === 0 ? FIRST_ROOM : this.entries.length * 2;
    if (room > this.limit) return false;
    const { entries, first } = this;
    this.entries = Array.from({ length: room }, (_, i) =>
      i < entries.length
        ? (entries[(first + i) & (entries.length - 1)] as PendingCommand)
        : new PendingCommand(),
    );
    this.first = 0;
    return true;
  }
}
