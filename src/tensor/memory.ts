import { builtBackends, type Storage } from "./backend.ts";
import { callSite } from "./call-site.ts";
import { BYTES, type DType } from "./dtype.ts";
import { formatShape } from "./errors.ts";
import type { Shape } from "./shape.ts";

/** One piece of memory that somebody holds, and what made it. */
export interface Holding {
  readonly dtype: DType;
  readonly bytes: number;
  /** Of the first tensor on it; empty until there is one. */
  operation: string;
  shape: Shape;
  /** The line of user code that made it, where `memory.trace(true)` was on. */
  site: string | null;
  /** Whether a tensor on it was kept. */
  isKept: boolean;
}

/** Pieces of memory that the same operation made in the same shape (and, when traced, at the same line). */
export interface MemoryGroup {
  readonly device: string;
  readonly operation: string;
  readonly shape: Shape;
  readonly dtype: DType;
  readonly site: string | null;
  readonly count: number;
  readonly bytes: number;
}

/** A device with a memory of its own, in bytes. */
export interface DeviceMemory {
  /** In tensors and in the working space of kernels. */
  readonly used: number;
  /** Taken from the system so far; it is used again, never given back. */
  readonly reserved: number;
  readonly maximum: number;
  /** Moved so far to the collector's heap, since nothing had used it for long. */
  readonly moved: number;
}

export interface MemoryReport {
  /** What is alive, most bytes first. */
  readonly groups: readonly MemoryGroup[];
  readonly count: number;
  readonly bytes: number;
  readonly devices: Readonly<Record<string, DeviceMemory>>;
  /** A table. */
  toString(): string;
}

let tracing = false;
/** What is alive on devices that keep no books, of what was made while `memory.trace(true)` was on. */
const traced = new Map<Holding, string>();
const collected = new FinalizationRegistry<Holding>((holding) => traced.delete(holding));

/**
 * What is alive, by what made it: exactly for devices with a memory of their own (`wasm`). What lies on the heap of the
 * engine (`cpu`) needs no books and has them only from `memory.trace(true)` on; it counts until the collector has run.
 */
export function memory(): MemoryReport {
  const groups = new Map<string, MemoryGroup>();
  const add = (device: string, { operation, shape, dtype, site, bytes }: Holding): void => {
    const key = [device, operation, shape, dtype, site].join(" ");
    const { count = 0, bytes: before = 0 } = groups.get(key) ?? {};
    groups.set(key, { device, operation, shape, dtype, site, count: count + 1, bytes: before + bytes });
  };
  const devices: Record<string, DeviceMemory> = {};
  for (const backend of builtBackends()) {
    if (!backend.memory) continue;
    const { holdings, ...totals } = backend.memory();
    devices[backend.name] = totals;
    for (const holding of holdings) add(backend.name, holding);
  }
  for (const [holding, device] of traced) add(device, holding);
  const sorted = [...groups.values()].sort((a, b) => b.bytes - a.bytes);
  const total = (key: "count" | "bytes") => sorted.reduce((sum, group) => sum + group[key], 0);
  const report = { groups: sorted, count: total("count"), bytes: total("bytes"), devices };
  return Object.defineProperty(report, "toString", { value: () => formatReport(report), enumerable: false });
}

/** Also note the line of user code that makes each tensor, from now on; slow, since it reads the stack. */
memory.trace = (on: boolean): void => {
  tracing = on;
};

/** Notes what made a storage; the first tensor on it counts. */
export function noteMaker(device: string, storage: Storage, operation: string, shape: Shape): void {
  if (storage.holding === undefined && tracing) track(device, storage);
  const { holding } = storage;
  if (holding?.operation !== "") return;
  holding.operation = operation;
  holding.shape = shape;
  if (tracing) holding.site = callSite();
}

/** Notes that a storage was given back. */
export function noteRelease({ holding }: Storage): void {
  if (holding) traced.delete(holding);
}

function track(device: string, storage: Storage): void {
  const { dtype, size } = storage;
  const holding = { dtype, bytes: size * BYTES[dtype], operation: "", shape: [], site: null, isKept: false };
  storage.holding = holding;
  traced.set(holding, device);
  collected.register(storage, holding);
}

/** The groups that hold most, in words. */
export function largestHoldings(holdings: Iterable<Holding>, count = 3): string {
  const groups = new Map<string, { count: number; bytes: number }>();
  for (const { operation, shape, bytes } of holdings) {
    const key = `${operation || "an upload"} ${formatShape(shape)}`;
    const before = groups.get(key) ?? { count: 0, bytes: 0 };
    groups.set(key, { count: before.count + 1, bytes: before.bytes + bytes });
  }
  const largest = [...groups].sort(([, a], [, b]) => b.bytes - a.bytes).slice(0, count);
  return largest.map(([name, { count, bytes }]) => `${name} × ${count} (${formatBytes(bytes)})`).join(", ");
}

export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  return `${power === 0 ? bytes : (bytes / 1024 ** power).toFixed(1)} ${units[power]}`;
}

function formatReport({ groups, count, bytes, devices }: Omit<MemoryReport, "toString">): string {
  const rows = groups.map((group) => [
    ...[group.device, group.operation || "(not a tensor yet)", formatShape(group.shape), group.dtype],
    ...[`× ${group.count}`, formatBytes(group.bytes), group.site ?? ""],
  ]);
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join("  ")
      .trimEnd(),
  );
  const totals = Object.entries(devices).map(
    ([name, { used, reserved, maximum, moved }]) =>
      `${name}: ${formatBytes(used)} in use, ${formatBytes(reserved)} reserved${limit(maximum)}, ${formatBytes(moved)} moved to the heap so far`,
  );
  return [`${count} pieces of memory hold ${formatBytes(bytes)}`, ...lines, ...totals].join("\n");
}

/** A GPU does not tell how much it has. */
function limit(bytes: number): string {
  return Number.isFinite(bytes) ? ` of at most ${formatBytes(bytes)}` : "";
}
