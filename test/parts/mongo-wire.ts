// What speaks MongoDB's wire protocol: the server that MONGO_URL names, else mongo-java-server in memory. The latter knows plain
// reads and writes, no replica set and no change streams: no real mongod is in a package registry.
import { join } from 'node:path';
import { findInMaven, findJava } from './maven.ts';
import { startPart } from './part.ts';

export interface MongoWire {
  url: string;
  host: string;
  port: number;
  /** null when MONGO_URL names a server that is not ours to stop. */
  pid: number | null;
  stop: () => Promise<void>;
}

const LISTENING = /listening on port (\d+)/;

export async function startMongoWire(): Promise<MongoWire> {
  const given = process.env.MONGO_URL;
  if (given) {
    const { hostname, port } = new URL(given);
    return { url: given, host: hostname, port: Number(port || 27017), pid: null, stop: async () => {} };
  }
  const java = await findJava('The MongoDB wire server');
  const jars = await findInMaven({
    part: 'The MongoDB wire server',
    artifacts: ['de.bwaldvogel:mongo-java-server:1.47.0'],
  });
  const part = await startPart({
    name: 'mongo-wire',
    command: java,
    args: ['-Xmx256m', '-XX:+UseSerialGC', '-cp', jars, join(import.meta.dirname, 'mongo-wire.java')],
    isReady: ({ output }) => LISTENING.test(output()),
  });
  const port = Number(LISTENING.exec(part.output())?.[1]);
  return { url: `mongodb://127.0.0.1:${port}`, host: '127.0.0.1', port, pid: part.pid, stop: part.stop };
}
