// Streams and events.
#include <chrono>

#include "state.h"

using namespace gk_emu_driver;

namespace {

CUresult createStream(const char* name, CUstream* stream, unsigned int flags) {
  return call(name, [&](State& driver, Lock&) {
    requireArgument(stream != nullptr, "stream is null");
    requireArgument(flags <= CU_STREAM_NON_BLOCKING, "unknown stream flags");
    const auto context = currentContext(driver);
    *stream = driver.streams.add(context->addStream(flags != CU_STREAM_NON_BLOCKING));
    return CUDA_SUCCESS;
  });
}

bool pending(const std::shared_ptr<Completion>& completion) { return completion && !completion->done; }

// The event's work, for calls that look at it. Captured events have none.
std::shared_ptr<Completion> recordedWork(Event& event) {
  if (event.captured) {
    if (const auto capture = event.capture.lock()) capture->invalid = true;
    throw Failure{CUDA_ERROR_CAPTURED_EVENT, "the event was last recorded in a capturing stream"};
  }
  return event.recorded;
}

}  // namespace

CUresult cuStreamCreate(CUstream* stream, unsigned int flags) { return createStream("cuStreamCreate", stream, flags); }

// Priorities say nothing here: a real device may ignore them as well.
CUresult cuStreamCreateWithPriority(CUstream* stream, unsigned int flags, int) { return createStream("cuStreamCreateWithPriority", stream, flags); }

CUresult cuStreamDestroy_v2(CUstream handle) {
  return call("cuStreamDestroy_v2", [&](State& driver, Lock&) {
    const auto stream = driver.streams.find(handle);
    require(stream != nullptr, CUDA_ERROR_INVALID_HANDLE, "not a live stream");
    const auto context = stream->context.lock();
    require(context != nullptr, CUDA_ERROR_INVALID_HANDLE, "the stream's context was released");
    driver.streams.remove(handle);
    if (stream->capture) stream->capture->invalid = true;
    context->dropStream(stream);
    context->checkUsable();
    return CUDA_SUCCESS;
  });
}

CUresult cuStreamSynchronize(CUstream handle) {
  return call("cuStreamSynchronize", [&](State& driver, Lock& lock) {
    const StreamUse use = streamOf(driver, handle);
    forbidOnCapturing(use);
    forbidDuringCapture(driver);
    // The default stream's work includes that of the blocking streams.
    const auto last = use.stream->is_default ? enqueue(use, MarkWork{}) : use.stream->last;
    if (last) use.context->wait(lock, last);
    return CUDA_SUCCESS;
  });
}

CUresult cuStreamQuery(CUstream handle) {
  return call("cuStreamQuery", [&](State& driver, Lock&) {
    const StreamUse use = streamOf(driver, handle);
    forbidOnCapturing(use);
    forbidDuringCapture(driver);
    bool busy = pending(use.stream->last);
    for (const auto& other : use.context->streams()) busy = busy || (use.stream->is_default && other->blocking && pending(other->last));
    return busy ? CUDA_ERROR_NOT_READY : CUDA_SUCCESS;
  });
}

CUresult cuStreamWaitEvent(CUstream handle, CUevent event, unsigned int flags) {
  return call("cuStreamWaitEvent", [&](State& driver, Lock&) {
    requireArgument(flags == 0, "external event nodes are not emulated");
    const StreamUse use = streamOf(driver, handle);
    waitForEvent(use, *eventOf(driver, event).event);
    return CUDA_SUCCESS;
  });
}

CUresult cuEventCreate(CUevent* event, unsigned int flags) {
  return call("cuEventCreate", [&](State& driver, Lock&) {
    requireArgument(event != nullptr, "event is null");
    requireArgument((flags & ~unsigned(CU_EVENT_BLOCKING_SYNC | CU_EVENT_DISABLE_TIMING)) == 0, "a flag that is unknown or not emulated");
    auto made = std::make_shared<Event>();
    made->context = currentContext(driver);
    made->timing = (flags & CU_EVENT_DISABLE_TIMING) == 0;
    *event = driver.events.add(std::move(made));
    return CUDA_SUCCESS;
  });
}

CUresult cuEventDestroy_v2(CUevent handle) {
  return call("cuEventDestroy_v2", [&](State& driver, Lock&) {
    const auto event = driver.events.remove(handle);
    require(event != nullptr, CUDA_ERROR_INVALID_HANDLE, "not a live event");
    if (const auto context = event->context.lock()) context->checkUsable();
    return CUDA_SUCCESS;
  });
}

CUresult cuEventRecord(CUevent handle, CUstream stream) {
  return call("cuEventRecord", [&](State& driver, Lock&) {
    const EventUse event = eventOf(driver, handle);
    const StreamUse use = streamOf(driver, stream);
    require(event.context == use.context, CUDA_ERROR_INVALID_HANDLE, "the event and the stream are of different contexts");
    recordEvent(use, *event.event);
    return CUDA_SUCCESS;
  });
}

CUresult cuEventQuery(CUevent handle) {
  return call("cuEventQuery", [&](State& driver, Lock&) {
    const EventUse use = eventOf(driver, handle);
    const auto work = recordedWork(*use.event);
    forbidDuringCapture(driver);
    return pending(work) ? CUDA_ERROR_NOT_READY : CUDA_SUCCESS;
  });
}

CUresult cuEventSynchronize(CUevent handle) {
  return call("cuEventSynchronize", [&](State& driver, Lock& lock) {
    const EventUse use = eventOf(driver, handle);
    const auto work = recordedWork(*use.event);
    forbidDuringCapture(driver);
    if (work) use.context->wait(lock, work);
    return CUDA_SUCCESS;
  });
}

CUresult cuEventElapsedTime(float* milliseconds, CUevent start, CUevent end) {
  return call("cuEventElapsedTime", [&](State& driver, Lock&) {
    requireArgument(milliseconds != nullptr, "milliseconds is null");
    const EventUse first = eventOf(driver, start), second = eventOf(driver, end);
    require(first.context == second.context, CUDA_ERROR_INVALID_HANDLE, "the events are of different contexts");
    require(first.event->timing && second.event->timing, CUDA_ERROR_INVALID_HANDLE, "an event was created without timing");
    const auto from = recordedWork(*first.event), to = recordedWork(*second.event);
    require(from && to, CUDA_ERROR_INVALID_HANDLE, "an event was never recorded");
    require(from->done && to->done, CUDA_ERROR_NOT_READY, "an event is not done yet");
    *milliseconds = std::chrono::duration<float, std::milli>(to->at - from->at).count();
    return CUDA_SUCCESS;
  });
}
