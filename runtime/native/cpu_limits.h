// How many processors this process may keep busy.
#ifndef GRIFFIN_CPU_LIMITS_H
#define GRIFFIN_CPU_LIMITS_H

namespace griffin {

// The processors in the affinity mask, lowered to the control group's time quota where there is one. At least 1.
unsigned usable_cores();

}  // namespace griffin

#endif
