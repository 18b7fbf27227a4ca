import type { GpuSensors } from '../device/types.js';

/** A GPU's clocks and state as one line; null when nothing is known. */
export function sensorText({ smClockMhz, memClockMhz, powerW, temperatureC, throttleReasons }: GpuSensors): string | null {
  const parts = [
    smClockMhz === null ? null : `multiprocessors at ${smClockMhz} MHz`,
    memClockMhz === null ? null : `memory at ${memClockMhz} MHz`,
    powerW === null ? null : `${Math.round(powerW)} W`,
    temperatureC === null ? null : `${Math.round(temperatureC)} °C`,
    throttleReasons.length === 0 ? null : `clocks lowered: ${throttleReasons.join(', ')}`,
  ].filter((part) => part !== null);
  return parts.length === 0 ? null : parts.join(', ');
}
