/** What a device of gpu.js did since it was opened, or since the counters were set back. Bytes are those of cells. */
export interface GpuCounters {
  /**
   * Operations that were asked for, forward and backward; updates and sums of squares count once for each tensor, and
   * the plan of optimal transport once for each iteration.
   */
  readonly operations: number;
  /** Kernels of gpu.js that ran for them. */
  readonly launches: number;
  /** Kernels that were translated and compiled, those that copy arrays included. */
  readonly compiles: number;
  /** Cells of the operands and results of launches, each counted once a launch. */
  readonly bytesRead: number;
  readonly bytesWritten: number;
  /** Arrays that were copied to the device, and out of it. */
  readonly uploads: number;
  readonly uploadedBytes: number;
  readonly readBacks: number;
  readonly readBackBytes: number;
  /** Pieces of device memory (textures, buffers) that results were written to: new ones, and ones used before. */
  readonly allocations: number;
  readonly reuses: number;
  /** Operations that `cpu` answered. */
  readonly fallbacks: number;
  /** Pieces of device memory there are now, free ones included. */
  readonly live: number;
  readonly liveBytes: number;
}

type Counts = { -readonly [K in keyof GpuCounters]: number };

/** The counters of one device. What is alive is a level, not a count: it stays when they are set back. */
export class Counters implements Counts {
  operations = 0;
  launches = 0;
  compiles = 0;
  bytesRead = 0;
  bytesWritten = 0;
  uploads = 0;
  uploadedBytes = 0;
  readBacks = 0;
  readBackBytes = 0;
  allocations = 0;
  reuses = 0;
  fallbacks = 0;
  live = 0;
  liveBytes = 0;

  reset(): void {
    const { live, liveBytes } = this;
    Object.assign(this, new Counters(), { live, liveBytes });
  }
}
