import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { packageRoot } from '../../../runtime/paths.js';

export interface FakeDriver {
  /** What cuInit answers. Default 0. */
  readonly init?: number;
  readonly version: number;
  /** Compute capability of each GPU. */
  readonly gpus: readonly number[];
}

function compile(source: string, output: string): string {
  writeFileSync(`${output}.c`, source);
  execFileSync(process.env['CC'] ?? 'cc', ['-shared', '-fPIC', '-w', '-o', output, `${output}.c`], { stdio: 'pipe' });
  return output;
}

/** A driver library that answers what is asked before a GPU is opened, and refuses everything else. Answers its path. */
export function buildFakeDriver(folder: string, name: string, fake: FakeDriver): string {
  const answers: Readonly<Record<string, string>> = {
    cuInit: `int cuInit(unsigned flags) { return ${fake.init ?? 0}; }`,
    cuDriverGetVersion: `int cuDriverGetVersion(int* version) { *version = ${fake.version}; return 0; }`,
    cuDeviceGetCount: `int cuDeviceGetCount(int* count) { *count = ${fake.gpus.length}; return 0; }`,
    cuDeviceGet: 'int cuDeviceGet(int* device, int index) { *device = index; return 0; }',
    cuDeviceGetName: 'int cuDeviceGetName(char* name, int bytes, int device) { snprintf(name, bytes, "Fake %d", device); return 0; }',
    cuDeviceTotalMem_v2: 'int cuDeviceTotalMem_v2(unsigned long* bytes, int device) { *bytes = 1ul << 34; return 0; }',
    cuDeviceGetAttribute: `static const int capabilities[] = {${[...fake.gpus, 0].join(', ')}};
      int cuDeviceGetAttribute(int* value, int which, int device) {
        *value = which == 75 ? capabilities[device] / 10 : which == 76 ? capabilities[device] % 10 : 0;
        return 0;
      }`,
    cuGetErrorName: 'int cuGetErrorName(int result, const char** text) { *text = "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH"; return 0; }',
    cuGetErrorString: 'int cuGetErrorString(int result, const char** text) { *text = "driver and library differ"; return 0; }',
  };
  const table = readFileSync(join(packageRoot(), 'runtime', 'native', 'cuda', 'driver_api.h'), 'utf8');
  const functions = [...table.matchAll(/X\((cu\w+),/g)].map(([, each]) => each as string);
  const source = functions.map((each) => answers[each] ?? `int ${each}() { return 801; }`);
  return compile(`#include <stdio.h>\n${source.join('\n')}\n`, join(folder, name));
}

/** A management library that knows every GPU, with these answers. */
export function buildFakeNvml(folder: string): string {
  return compile(
    `int nvmlInit_v2() { return 0; }
     int nvmlDeviceGetHandleByPciBusId_v2(const char* id, void** device) { *device = (void*)id; return id[0] == 0; }
     int nvmlDeviceGetClockInfo(void* device, int which, unsigned* mhz) { *mhz = which == 1 ? 1755 : 2619; return 0; }
     int nvmlDeviceGetPowerUsage(void* device, unsigned* milliwatts) { *milliwatts = 654321; return 0; }
     int nvmlDeviceGetTemperature(void* device, int which, unsigned* degrees) { return 3; }
     int nvmlDeviceGetCurrentClocksThrottleReasons(void* device, unsigned long long* mask) { *mask = 0x1 | 0x4 | 0x40; return 0; }`,
    join(folder, 'libfake-nvml.so'),
  );
}
