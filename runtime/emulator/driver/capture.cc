// Stream capture: work that goes into a graph instead of a queue, and what must not be called meanwhile.
#include <algorithm>

#include "state.h"

namespace gk_emu_driver {
namespace {

std::vector<std::shared_ptr<Capture>> liveCaptures(State& driver) {
  std::vector<std::shared_ptr<Capture>> live;
  auto& all = driver.captures;
  all.erase(std::remove_if(all.begin(), all.end(), [](const auto& one) { return one.expired(); }), all.end());
  for (const auto& one : all) live.push_back(one.lock());
  return live;
}

void checkValid(const Capture& capture) {
  require(!capture.invalid, CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "the stream's capture became invalid through an earlier error");
}

// The default stream would wait for blocking streams, which a capture cannot express.
void checkImplicit(const StreamUse& use) {
  if (!use.stream->is_default) return;
  bool conflict = false;
  for (const auto& other : use.context->streams()) {
    if (!other->blocking || !other->capture) continue;
    other->capture->invalid = true;
    conflict = true;
  }
  require(!conflict, CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, "the default stream was used while a blocking stream is capturing");
}

void checkCapturable(const Work& work, Capture& capture) {
  const auto* copy = std::get_if<CopyWork>(&work);
  if (copy == nullptr || (copy->to.kind != Place::kPageable && copy->from.kind != Place::kPageable)) return;
  capture.invalid = true;
  throw Failure{CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "a copy from or to pageable host memory was captured: use pinned memory"};
}

void merge(std::vector<size_t>& into, const std::vector<size_t>& from) {
  for (const size_t node : from) {
    if (std::find(into.begin(), into.end(), node) == into.end()) into.push_back(node);
  }
}

// Whether every node comes before the end of the stream.
bool joined(const Graph& graph, const std::vector<size_t>& frontier) {
  std::vector<bool> seen(graph.nodes.size());
  for (const size_t node : frontier) seen[node] = true;
  for (size_t i = graph.nodes.size(); i-- > 0;) {
    if (!seen[i]) return false;  // everything after node i was looked at: nothing leads to it
    for (const size_t before : graph.nodes[i].after) seen[before] = true;
  }
  return true;
}

void endCapture(Context& context, const std::shared_ptr<Capture>& capture) {
  for (const auto& stream : context.streams()) {
    if (stream->capture != capture) continue;
    stream->capture = nullptr;
    stream->frontier.clear();
    stream->last_is_kernel = false;
  }
}

}  // namespace

void forbidDuringCapture(State& driver) {
  bool forbidden = false;
  for (const auto& capture : liveCaptures(driver)) {
    const bool own = capture->thread == std::this_thread::get_id() && capture->mode != CU_STREAM_CAPTURE_MODE_RELAXED;
    if (!own && capture->mode != CU_STREAM_CAPTURE_MODE_GLOBAL) continue;
    capture->invalid = true;
    forbidden = true;
  }
  require(!forbidden, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "the call is not allowed while a stream is capturing");
}

void forbidOnCapturing(const StreamUse& use) {
  if (use.stream->capture) {
    checkValid(*use.stream->capture);
    use.stream->capture->invalid = true;
    throw Failure{CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "the stream is capturing"};
  }
  checkImplicit(use);
}

std::shared_ptr<Completion> enqueue(const StreamUse& use, Work work, std::vector<std::shared_ptr<Completion>> after) {
  Stream& stream = *use.stream;
  if (!stream.capture) {
    checkImplicit(use);
    return use.context->submit(stream, std::move(work), std::move(after));
  }
  checkValid(*stream.capture);
  checkCapturable(work, *stream.capture);
  auto* kernel = std::get_if<KernelWork>(&work);
  if (kernel != nullptr) kernel->dependent = kernel->dependent && stream.last_is_kernel && stream.frontier.size() == 1;
  stream.last_is_kernel = kernel != nullptr;
  auto& nodes = stream.capture->graph->nodes;
  nodes.push_back(Node{reinterpret_cast<CUgraphNode>(nextHandle()), std::move(work), std::move(stream.frontier)});
  stream.frontier = {nodes.size() - 1};
  return nullptr;
}

void recordEvent(const StreamUse& use, Event& event) {
  Stream& stream = *use.stream;
  event.captured = stream.capture != nullptr;
  event.capture = stream.capture;
  if (event.captured) {
    checkValid(*stream.capture);
    event.frontier = stream.frontier;
    event.recorded = nullptr;
    stream.last_is_kernel = false;
  } else {
    event.recorded = enqueue(use, MarkWork{});
  }
}

void waitForEvent(const StreamUse& use, const Event& event) {
  Stream& stream = *use.stream;
  stream.last_is_kernel = false;
  if (event.captured) {
    const std::shared_ptr<Capture> capture = event.capture.lock();
    require(capture != nullptr, CUDA_ERROR_CAPTURED_EVENT, "the event was recorded in a capture that has ended");
    checkValid(*capture);
    if (stream.is_default) {
      capture->invalid = true;
      throw Failure{CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, "the default stream cannot take part in a capture"};
    }
    if (stream.capture && stream.capture != capture) {
      capture->invalid = stream.capture->invalid = true;
      throw Failure{CUDA_ERROR_STREAM_CAPTURE_MERGE, "the wait would join two captures"};
    }
    stream.capture = capture;
    merge(stream.frontier, event.frontier);
    return;
  }
  if (stream.capture) {
    checkValid(*stream.capture);
    if (!event.recorded) return;
    stream.capture->invalid = true;
    throw Failure{CUDA_ERROR_STREAM_CAPTURE_ISOLATION, "a capturing stream was told to wait for an event from outside of its capture"};
  }
  if (event.recorded && !event.recorded->done) enqueue(use, MarkWork{}, {event.recorded});
}

}  // namespace gk_emu_driver

using namespace gk_emu_driver;

CUresult cuStreamBeginCapture_v2(CUstream handle, CUstreamCaptureMode mode) {
  return call("cuStreamBeginCapture_v2", [&](State& driver, Lock&) {
    requireArgument(mode >= CU_STREAM_CAPTURE_MODE_GLOBAL && mode <= CU_STREAM_CAPTURE_MODE_RELAXED, "not a capture mode");
    const StreamUse use = streamOf(driver, handle);
    require(!use.stream->is_default, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "the default stream cannot be captured");
    require(!use.stream->capture, CUDA_ERROR_ILLEGAL_STATE, "the stream is capturing already");
    auto capture = std::make_shared<Capture>();
    capture->graph = std::make_shared<Graph>();
    capture->graph->context = use.context;
    capture->mode = mode;
    capture->thread = std::this_thread::get_id();
    capture->origin = use.stream;
    use.stream->capture = capture;
    use.stream->frontier.clear();
    use.stream->last_is_kernel = false;
    driver.captures.push_back(capture);
    return CUDA_SUCCESS;
  });
}

CUresult cuStreamEndCapture(CUstream handle, CUgraph* graph) {
  return call("cuStreamEndCapture", [&](State& driver, Lock&) {
    requireArgument(graph != nullptr, "graph is null");
    *graph = nullptr;
    const StreamUse use = streamOf(driver, handle);
    const std::shared_ptr<Capture> capture = use.stream->capture;
    require(capture != nullptr, CUDA_ERROR_ILLEGAL_STATE, "the stream is not capturing");
    if (capture->origin.lock() != use.stream) {
      capture->invalid = true;
      throw Failure{CUDA_ERROR_STREAM_CAPTURE_UNMATCHED, "the capture began in another stream"};
    }
    if (capture->mode != CU_STREAM_CAPTURE_MODE_RELAXED && capture->thread != std::this_thread::get_id()) {
      capture->invalid = true;
      throw Failure{CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD, "the capture began in another thread"};
    }
    const bool complete = joined(*capture->graph, use.stream->frontier);
    endCapture(*use.context, capture);
    checkValid(*capture);
    require(complete, CUDA_ERROR_STREAM_CAPTURE_UNJOINED, "work in another stream was not joined to the stream that the capture began in");
    *graph = driver.graphs.add(capture->graph);
    return CUDA_SUCCESS;
  });
}
