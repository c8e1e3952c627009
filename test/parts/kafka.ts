// A real Kafka broker: one node that is its own controller (KRaft), on loopback, with a log of its own that goes with it.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findInMaven, findJava } from './maven.ts';
import { findFreePort, startPart } from './part.ts';

export interface Kafka {
  /** Where the broker listens for clients. */
  port: number;
  pid: number;
  /** Runs a tool of Kafka's own, such as `org.apache.kafka.tools.ProducerPerformance`; returns what it printed. */
  runTool: (mainClass: string, args: string[]) => Promise<string>;
  stop: () => Promise<void>;
}

export interface KafkaOptions {
  /** Where to listen for clients; a free port unless given. */
  port?: number;
  /** The port that clients are told to connect to, for brokers behind something; the own one unless given. */
  advertisedPort?: number;
}

const VERSION = '4.3.1';
const run = promisify(execFile);
const TOOL_TIMEOUT_MS = 60_000;
const CLUSTER_ID = 'dHVsbGUtdGVzdC1rYWZrYQ';
/** Tests are short: quick to start beats fast in the long run. */
const JVM = ['-Xms64m', '-Xmx384m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xshare:auto'];

export async function startKafka({ port, advertisedPort }: KafkaOptions = {}): Promise<Kafka> {
  const java = await findJava('Kafka');
  const jars = await findInMaven({
    part: 'Kafka',
    artifacts: [
      `org.apache.kafka:kafka_2.13:${VERSION}`,
      `org.apache.kafka:kafka-tools:${VERSION}`,
      'org.apache.logging.log4j:log4j-slf4j-impl:2.25.4',
    ],
  });
  const clientPort = port ?? (await findFreePort());
  const folder = await mkdtemp(join(tmpdir(), 'tulle-kafka-log-'));
  const config = join(folder, 'server.properties');
  await mkdir(join(folder, 'data'));
  await writeFile(
    config,
    serverProperties(folder, {
      clientPort,
      advertisedPort: advertisedPort ?? clientPort,
      brokerPort: await findFreePort(),
      controllerPort: await findFreePort(),
    }),
  );
  const runTool = async (mainClass: string, args: string[]) => {
    const { stdout } = await run(java, [...JVM, '-cp', jars, mainClass, ...args], {
      timeout: TOOL_TIMEOUT_MS,
    });
    return stdout;
  };
  const removeLog = () => rm(folder, { recursive: true, force: true });
  try {
    await runTool('kafka.tools.StorageTool', ['format', '-t', CLUSTER_ID, '-c', config]);
    const part = await startPart({
      name: 'kafka',
      command: java,
      args: [...JVM, '-cp', jars, 'kafka.Kafka', config],
      isReady: () => answersApiVersions(clientPort),
    });
    const stop = async () => {
      await part.stop();
      await removeLog();
    };
    return { port: clientPort, pid: part.pid, runTool, stop };
  } catch (error) {
    await removeLog();
    throw error;
  }
}

interface Ports {
  clientPort: number;
  advertisedPort: number;
  /** For the broker's talk with itself, which must not depend on what stands before it. */
  brokerPort: number;
  controllerPort: number;
}

function serverProperties(folder: string, ports: Ports): string {
  const { clientPort, advertisedPort, brokerPort, controllerPort } = ports;
  return `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:${controllerPort}
listeners=CLIENT://127.0.0.1:${clientPort},BROKER://127.0.0.1:${brokerPort},CONTROLLER://127.0.0.1:${controllerPort}
advertised.listeners=CLIENT://127.0.0.1:${advertisedPort},BROKER://127.0.0.1:${brokerPort}
listener.security.protocol.map=CLIENT:PLAINTEXT,BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=BROKER
controller.listener.names=CONTROLLER
log.dirs=${join(folder, 'data')}
num.partitions=1
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
`;
}

/** Key 18, version 0, no client id: what every client asks first. */
const API_VERSIONS = Buffer.from('0000000a0012000000000001ffff', 'hex');

function answersApiVersions(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(port, '127.0.0.1', () => socket.write(API_VERSIONS));
    socket.setTimeout(1_000, () => socket.destroy(new Error('no answer to ApiVersions')));
    socket.once('error', reject);
    socket.once('data', (answer: Buffer) => {
      socket.destroy();
      resolve(answer.readInt32BE(4) === 1);
    });
  });
}
