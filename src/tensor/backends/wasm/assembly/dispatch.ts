import { binaryTile, dropoutTile, unaryTile, whereTile } from "./elementwise";
import { Kernel } from "./kernel";
import { matmulTile } from "./matmul";
import { sumPartsTile } from "./reduce";

/** Computes one tile of the job whose arguments stand in memory. */
export function runTile(kernel: i32, tile: i32): void {
  switch (kernel) {
    case Kernel.matmul:
      return matmulTile(tile);
    case Kernel.unary:
      return unaryTile(tile);
    case Kernel.binary:
      return binaryTile(tile);
    case Kernel.where:
      return whereTile(tile);
    case Kernel.dropout:
      return dropoutTile(tile);
    case Kernel.sumParts:
      return sumPartsTile(tile);
  }
}
