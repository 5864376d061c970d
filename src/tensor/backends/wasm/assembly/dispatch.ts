import { attentionBackwardTile, attentionTile } from "./attention";
import { copyTile, fillTile } from "./copy";
import { crossEntropyBackwardTile, crossEntropyTile } from "./cross-entropy";
import { dropoutTile } from "./dropout";
import { binaryTile, unaryTile, whereTile } from "./elementwise";
import { gatherTile, putAlongAxisTile, scatterAddTile, takeAlongAxisTile } from "./indexing";
import { ipotTile } from "./ipot";
import { Kernel } from "./kernel";
import { layerNormBackwardTile, layerNormTile } from "./layer-norm";
import { matmulTile } from "./matmul";
import { argmaxTile, reduceColumnsTile, reduceRowsTile, sumOfSquaresTile, sumPartsTile } from "./reduce";
import { logSoftmaxTile, softmaxBackwardTile, softmaxTile } from "./softmax";
import { adamwTile, sgdTile } from "./update";

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
    case Kernel.reduceRows:
      return reduceRowsTile(tile);
    case Kernel.reduceColumns:
      return reduceColumnsTile(tile);
    case Kernel.argmax:
      return argmaxTile(tile);
    case Kernel.copy:
      return copyTile(tile);
    case Kernel.fill:
      return fillTile(tile);
    case Kernel.gather:
      return gatherTile(tile);
    case Kernel.scatterAdd:
      return scatterAddTile(tile);
    case Kernel.takeAlongAxis:
      return takeAlongAxisTile(tile);
    case Kernel.putAlongAxis:
      return putAlongAxisTile(tile);
    case Kernel.softmax:
      return softmaxTile(tile);
    case Kernel.softmaxBackward:
      return softmaxBackwardTile(tile);
    case Kernel.logSoftmax:
      return logSoftmaxTile(tile);
    case Kernel.layerNorm:
      return layerNormTile(tile);
    case Kernel.layerNormBackward:
      return layerNormBackwardTile(tile);
    case Kernel.crossEntropy:
      return crossEntropyTile(tile);
    case Kernel.crossEntropyBackward:
      return crossEntropyBackwardTile(tile);
    case Kernel.attention:
      return attentionTile(tile);
    case Kernel.attentionBackward:
      return attentionBackwardTile(tile);
    case Kernel.ipot:
      return ipotTile(tile);
    case Kernel.sumOfSquares:
      return sumOfSquaresTile(tile);
    case Kernel.adamw:
      return adamwTile(tile);
    case Kernel.sgd:
      return sgdTile(tile);
  }
}
