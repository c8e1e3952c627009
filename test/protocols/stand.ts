/** Something that listens on loopback, for as long as a test needs it. */
export interface Stand {
  port: number;
  stop: () => Promise<void>;
}

/** What lies between client and server: gets the server's port, returns the client's. */
export type Passage = (serverPort: number) => Promise<Stand>;
