/** Data-sheet figures of one GPU per generation, for analysis without a device. Source: the data sheets of these products. */

export interface GpuDataSheet {
  readonly name: string;
  /** 10 × major + minor. */
  readonly capability: number;
  readonly multiprocessors: number;
  /** Bytes per second. */
  readonly bandwidth: number;
}

export const GPU_DATA_SHEETS: readonly GpuDataSheet[] = [
  { name: 'A100 SXM 80 GB', capability: 80, multiprocessors: 108, bandwidth: 2039e9 },
  { name: 'GeForce RTX 3090', capability: 86, multiprocessors: 82, bandwidth: 936e9 },
  { name: 'L40S', capability: 89, multiprocessors: 142, bandwidth: 864e9 },
  { name: 'H100 SXM', capability: 90, multiprocessors: 132, bandwidth: 3350e9 },
  { name: 'B200', capability: 100, multiprocessors: 148, bandwidth: 8000e9 },
  { name: 'GeForce RTX 5090', capability: 120, multiprocessors: 170, bandwidth: 1792e9 },
];
