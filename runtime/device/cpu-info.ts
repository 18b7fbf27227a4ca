import { callNative } from './addon.js';
import type { DeviceIdentity } from './types.js';

/**
 * What this machine's processor is, without opening a device. Instruction sets are those that processor and operating system both
 * offer; `cores` is how many processors this process may keep busy (affinity mask and control group quota); cache sizes are bytes of
 * one core's L1 data and L2 cache and of its shared L3.
 */
export function cpuIdentity(): DeviceIdentity {
  const info = callNative((addon) => addon.cpuInfo());
  return { kind: 'cpu', ...info };
}
