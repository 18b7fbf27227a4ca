/** What measurements of a run depend on, as the words by which they are remembered. */
import { release, type } from 'node:os';
import { isIsa } from '../generator/targets.js';
import type { Isa } from '../generator/types.js';
import type { DeviceIdentity } from '../runtime/device/types.js';
import { TuneError } from '../runtime/errors.js';
import type { DeviceRequest } from './environment.js';
import { traceKey } from './expert-trace.js';
import type { WorkerInfo } from './protocol.js';

/** A GPU runs all of its sets, and a family may have forms for several: each is a space of its own. A CPU runs the one that the device stands for. */
export function isasToTune({ identity, isa }: WorkerInfo): readonly [Isa, ...Isa[]] {
  const names = identity.gpu === undefined ? [isa] : identity.isas;
  const [first, ...rest] = names.filter(isIsa);
  if (first === undefined || rest.length + 1 < names.length) throw new TuneError(`the device runs kernels for "${names.join(', ')}", which the generator does not know`);
  return [first, ...rest];
}

/** What timings depend on beside kernel, device and compiler: how plans are launched, how many threads run them, and which experts gathers read. */
export function regimeOf({ identity, threads }: WorkerInfo, request: DeviceRequest): string {
  const experts = request.experts === undefined ? '' : `-x${traceKey(request.experts)}`;
  if (identity.gpu === undefined) return `plan-cold-t${threads}${experts}`;
  return `${/[:,]eager\b/.test(request.device ?? '') ? 'eager-cold' : 'graph-cold'}${experts}`;
}

/** What stands between the device and us: a GPU's driver by the version of CUDA that it speaks, else the operating system's kernel. */
export function driverOf(identity: DeviceIdentity): string {
  if (identity.gpu !== undefined) return `cuda ${Math.floor(identity.gpu.driver / 1000)}.${Math.floor((identity.gpu.driver % 1000) / 10)}`;
  return `${type()} ${release().split('.').slice(0, 2).join('.')}`;
}
