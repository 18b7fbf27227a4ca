/** `griffin generate --record-experts FILE`: the kept neurons of a generation, added to a trace that `griffin tune --experts FILE` takes as input. */
import { basename, resolve } from 'node:path';
import { UsageError } from '../runtime/errors.js';
import { appendExpertTrace, requireSameShape, type ExpertTraceShape } from '../runtime/griffin/expert-trace.js';
import { expertCount } from '../runtime/griffin/selection.js';
import type { GenerateResult, Model } from '../runtime/model/model.js';

export interface ExpertRecorder {
  /** Adds what a generation kept, and says so in one sentence. Throws FileError when it cannot be written. */
  record(result: Pick<GenerateResult, 'experts'>): string;
}

/** Before anything is loaded: a UsageError where no neurons would be chosen. */
export function requireSelection(density: number): void {
  if (density > 0 && density < 1) return;
  const why = density === 1 ? 'the full model runs and none are chosen' : 'none are kept';
  throw new UsageError(`--record-experts records the neurons that are kept, but at --density ${density} ${why}; give a density between 0 and 1`);
}

/** Before anything is generated: a UsageError where the model keeps none, or the file holds the trace of another shape of model. */
export function expertRecorder(path: string, model: Pick<Model, 'name' | 'config'>, density: number): ExpertRecorder {
  const { layers, intermediateSize } = model.config;
  const k = expertCount(intermediateSize, density);
  if (k === 0) throw new UsageError(`--record-experts: at --density ${density} none of the ${intermediateSize} neurons per layer are kept; give at least --density ${Math.ceil(1e4 / intermediateSize) / 1e4}`);
  const shape: ExpertTraceShape = { model: basename(resolve(model.name)), layers, intermediate: intermediateSize };
  requireSameShape(path, shape);
  return {
    record({ experts }) {
      if (experts === undefined) return `nothing recorded in ${path}: the generation ended before neurons were chosen`;
      appendExpertTrace(path, shape, { k, layers: experts });
      return `recorded ${k} of ${intermediateSize} neurons in each of ${layers} layers in ${path}`;
    },
  };
}
