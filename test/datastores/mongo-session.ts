// What a service does with MongoDB, through the URL that it is told.
import { MongoClient } from 'mongodb';

/** `bigBytes`: the size of a document that takes several reads. */
export async function runMongoSession(port: number, bigBytes = 300_000): Promise<void> {
  const client = new MongoClient(`mongodb://127.0.0.1:${port}/?directConnection=true&retryWrites=false`, {
    serverSelectionTimeoutMS: 10_000,
    minHeartbeatFrequencyMS: 500,
  });
  try {
    const shop = client.db('shop');
    const orders = shop.collection<{ _id: number; note?: string }>('orders');
    await orders.insertMany(Array.from({ length: 250 }, (_, i) => ({ _id: i, note: 'xxx' })));
    await orders.insertOne({ _id: 1 }).catch(() => {});
    await orders.insertMany([{ _id: 2 }, { _id: 3 }], { ordered: false }).catch(() => {});
    await orders.findOne({ _id: 7 });
    // In batches, so that there are cursors that go on.
    await orders.find({}, { batchSize: 100 }).toArray();
    await orders.updateMany({ _id: { $lt: 10 } }, { $set: { note: 'y' } });
    await orders.countDocuments({});
    await orders.deleteOne({ _id: 9 });
    await shop.command({ frobnicate: 1 }).catch(() => {});
    await shop.collection('users').insertOne({ big: 'z'.repeat(bigBytes) });
    await shop.collection('users').find({}).toArray();
    await shop.command({ ping: 1 });
    await Promise.all(Array.from({ length: 20 }, (_, i) => orders.findOne({ _id: i })));
    await shop.dropCollection('users');
  } finally {
    await client.close();
  }
}
