// What services do with Kafka, through the port that they are told: kafkajs, which speaks the versions of some years ago.
import { Kafka, logLevel } from 'kafkajs';

export async function runKafkaSession(port: number, valueBytes = 1_000): Promise<void> {
  const kafka = new Kafka({
    brokers: [`127.0.0.1:${port}`],
    clientId: 'session',
    logLevel: logLevel.NOTHING,
  });
  const admin = kafka.admin();
  const producer = kafka.producer();
  const consumer = kafka.consumer({ groupId: 'session', maxWaitTimeInMs: 200 });
  try {
    await admin.connect();
    await admin.createTopics({ topics: [{ topic: 'orders' }, { topic: 'payments' }] });
    await producer.connect();
    const messages = Array.from({ length: 20 }, (_, i) => ({ key: `k${i}`, value: 'x'.repeat(valueBytes) }));
    await producer.send({ topic: 'orders', messages });
    await producer.send({ topic: 'payments', messages, acks: 0 });
    await producer.sendBatch({
      topicMessages: [
        { topic: 'orders', messages },
        { topic: 'payments', messages },
      ],
    });
    await consumer.connect();
    await consumer.subscribe({ topics: ['orders'], fromBeginning: true });
    let received = 0;
    await new Promise<void>((resolve, reject) => {
      // A coordinator that is not ready yet is asked again.
      consumer.on(consumer.events.CRASH, ({ payload }) => {
        if (!payload.restart) reject(payload.error);
      });
      consumer
        .run({
          eachMessage: async () => {
            if (++received === 2 * messages.length) resolve();
          },
        })
        .catch(reject);
    });
    await admin.fetchTopicOffsets('orders');
  } finally {
    await consumer.disconnect();
    await producer.disconnect();
    await admin.disconnect();
  }
}
