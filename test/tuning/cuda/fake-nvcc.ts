/** A stand-in for nvcc: writes its input as the binary, and "statistics" that the source asks for. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * The source steers it, line by line: `// stats <entry> <registers> <spill bytes>`, `// warn <text>`, `// fail <text>`. Every run is noted as a
 * line of its arguments in `<path>.log`.
 */
export function writeFakeNvcc(path: string, version = '99.1'): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(
    path,
    `#!/bin/sh
if [ "$1" = --version ]; then echo 'nvcc: a stand-in'; echo 'Cuda compilation tools, release ${version}, V${version}.0'; exit 0; fi
echo "$@" >> '${path}.log'
archs=''
out=''
while [ $# -gt 0 ]; do
  case "$1" in
    arch=compute_*,code=sm_*) archs="$archs \${1##*sm_}" ;;
    -o) out="$2"; shift ;;
  esac
  shift
done
text=$(cat)
case "$archs" in *" 999"*) echo "nvcc fatal   : Unsupported gpu architecture 'compute_999'" >&2; exit 1 ;; esac
reason=$(printf '%s\\n' "$text" | sed -n 's#^// fail ##p')
if [ -n "$reason" ]; then printf 'kernel.cu(1): error: %s\\n' "$reason" >&2; exit 2; fi
printf '%s\\n' "$text" | sed -n 's|^// warn |kernel.cu(1): warning #1-D: |p' >&2
for arch in $archs; do
  printf '%s\\n' "$text" | sed -n "s#^// stats \\([^ ]*\\) \\([0-9]*\\) \\([0-9]*\\)#\\1 \\2 \\3 $arch#p" | while read -r entry registers spill a; do
    echo "ptxas info    : Compiling entry function '$entry' for 'sm_$a'"
    echo "ptxas info    : Function properties for $entry"
    echo "    $spill bytes stack frame, $spill bytes spill stores, $spill bytes spill loads"
    echo "ptxas info    : Used $registers registers, used 1 barriers, 16 bytes smem"
  done >&2
done
printf '%s for%s' "$text" "$archs" > "$out"
`,
  );
  chmodSync(path, 0o755);
  return path;
}
