/**
 * Changes to the fields of a head, prepared as bytes.
 *
 * Order: what is removed goes first, what is set replaces every field of its name, what is added stands beside those that are there.
 */
import { findFieldId } from '../protocol/field-names.ts';
import type { Head } from '../protocol/head.ts';
import type { HeaderChanges, HeaderValue } from './route-config.ts';

type Name = { readonly bytes: Buffer; readonly id: number };
type Line = { readonly bytes: Buffer; readonly nameLength: number };

export class HeaderChange {
  private readonly dropped: readonly Name[];
  private readonly added: readonly Line[];

  constructor({ set, add, remove }: HeaderChanges) {
    this.dropped = [...remove, ...set.map(({ name }) => name)].map(toName);
    this.added = [...set, ...add].map(toLine);
  }

  apply(head: Head): void {
    const { dropped, added } = this;
    for (let i = 0; i < dropped.length; i++) {
      const { bytes, id } = dropped[i] as Name;
      head.dropNamed(bytes, id);
    }
    for (let i = 0; i < added.length; i++) {
      const { bytes, nameLength } = added[i] as Line;
      head.addLine(bytes, nameLength);
    }
  }
}

function toName(name: string): Name {
  const bytes = Buffer.from(name, 'latin1');
  return { bytes, id: findFieldId(bytes, 0, bytes.length) };
}

function toLine({ name, value }: HeaderValue): Line {
  return { bytes: Buffer.from(`${name}: ${value}\r\n`, 'latin1'), nameLength: name.length };
}
