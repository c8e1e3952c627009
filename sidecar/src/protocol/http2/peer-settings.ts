/**
 * What the peer's SETTINGS say (RFC 9113 section 6.5.2, RFC 8441), bounded by what we are willing to use of it.
 */
import { LIMITS } from '../../core/limits.ts';
import {
  DEFAULT_FRAME_BYTES,
  DEFAULT_WINDOW,
  FLOW_CONTROL_ERROR,
  MAX_FRAME_BYTES,
  MAX_WINDOW,
  NO_ERROR,
  PROTOCOL_ERROR,
  SETTINGS_ENABLE_CONNECT_PROTOCOL,
  SETTINGS_ENABLE_PUSH,
  SETTINGS_INITIAL_WINDOW_SIZE,
  SETTINGS_MAX_CONCURRENT_STREAMS,
  SETTINGS_MAX_FRAME_SIZE,
} from './frame.ts';

export class PeerSettings {
  /** What a new stream may send. */
  windowBytes = DEFAULT_WINDOW;
  /** The largest payload that we send in one frame. */
  frameBytes = DEFAULT_FRAME_BYTES;
  /** Streams that we may have open at once. */
  streams: number = LIMITS.http2StreamsPerConnection;
  /** RFC 8441. */
  takesTunnels = false;
  private readonly isClient: boolean;

  /** `isClient`: the peer is one. */
  constructor(isClient: boolean) {
    this.isClient = isClient;
  }

  /** Takes a setting over. Returns the error of a value that can't be; settings that are not known are ignored. */
  apply(identifier: number, value: number): number {
    switch (identifier) {
      case SETTINGS_ENABLE_PUSH:
        return value > (this.isClient ? 1 : 0) ? PROTOCOL_ERROR : NO_ERROR;
      case SETTINGS_MAX_CONCURRENT_STREAMS:
        this.streams = Math.min(value, LIMITS.http2StreamsPerConnection);
        return NO_ERROR;
      case SETTINGS_INITIAL_WINDOW_SIZE:
        if (value > MAX_WINDOW) return FLOW_CONTROL_ERROR;
        this.windowBytes = value;
        return NO_ERROR;
      case SETTINGS_MAX_FRAME_SIZE:
        if (value < DEFAULT_FRAME_BYTES || value > MAX_FRAME_BYTES) return PROTOCOL_ERROR;
        this.frameBytes = Math.min(value, LIMITS.http2FrameBytes);
        return NO_ERROR;
      case SETTINGS_ENABLE_CONNECT_PROTOCOL:
        if (value > 1) return PROTOCOL_ERROR;
        this.takesTunnels = value === 1;
        return NO_ERROR;
      default:
        return NO_ERROR;
    }
  }
}
