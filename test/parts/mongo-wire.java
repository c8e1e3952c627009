// A MongoDB server in memory, from mongo-java-server: listens on a free port of loopback and prints which one.
import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;
import java.net.InetSocketAddress;
import java.util.List;

class MongoWire {
  public static void main(String[] arguments) {
    MongoServer server = new MongoServer(new MemoryBackend().version(new Recent()));
    server.bind(new InetSocketAddress("127.0.0.1", 0));
    System.out.println("listening on port " + server.getLocalAddress().getPort());
  }

  // Current drivers refuse a server that says it is older.
  private static class Recent implements MongoVersion {
    @Override
    public List<Integer> getVersionArray() {
      return List.of(5, 0, 0);
    }

    @Override
    public int getWireVersion() {
      return 13;
    }
  }
}
