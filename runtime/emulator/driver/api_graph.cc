// Graphs that were captured: instantiation, launches.
#include <algorithm>

#include "state.h"

using namespace gk_emu_driver;

namespace {

std::shared_ptr<Graph> graphOf(State& driver, CUgraph handle) {
  std::shared_ptr<Graph> graph = driver.graphs.find(handle);
  require(graph != nullptr, CUDA_ERROR_INVALID_HANDLE, "not a live graph");
  return graph;
}

StreamUse streamFor(State& driver, const Exec& exec, CUstream handle) {
  StreamUse use = streamOf(driver, handle);
  require(exec.context.lock() == use.context, CUDA_ERROR_INVALID_HANDLE, "the graph was instantiated in another context");
  return use;
}

// The nodes in an order that their dependencies allow: of capture, or, to show what they owe each other, the latest node first or at random.
std::vector<size_t> orderOf(const Graph& graph, const gk_emu::Config& config) {
  std::vector<size_t> order, ready, waiting(graph.nodes.size());
  std::vector<std::vector<size_t>> next(graph.nodes.size());
  for (size_t i = 0; i < graph.nodes.size(); i++) {
    waiting[i] = graph.nodes[i].after.size();
    for (const size_t before : graph.nodes[i].after) next[before].push_back(i);
    if (waiting[i] == 0) ready.push_back(i);
  }
  std::mt19937_64 random(config.seed);
  while (!ready.empty()) {
    auto one = config.order == gk_emu::Order::kForward   ? std::min_element(ready.begin(), ready.end())
               : config.order == gk_emu::Order::kReverse ? std::max_element(ready.begin(), ready.end())
                                                         : ready.begin() + static_cast<long>(random() % ready.size());
    const size_t node = *one;
    ready.erase(one);
    order.push_back(node);
    for (const size_t after : next[node]) {
      if (--waiting[after] == 0) ready.push_back(after);
    }
  }
  return order;
}

}  // namespace

CUresult cuGraphGetNodes(CUgraph handle, CUgraphNode* nodes, size_t* count) {
  return call("cuGraphGetNodes", [&](State& driver, Lock&) {
    requireArgument(count != nullptr, "count is null");
    const auto graph = graphOf(driver, handle);
    if (nodes == nullptr) {
      *count = graph->nodes.size();
      return CUDA_SUCCESS;
    }
    for (size_t i = 0; i < *count; i++) nodes[i] = i < graph->nodes.size() ? graph->nodes[i].handle : nullptr;
    *count = std::min(*count, graph->nodes.size());
    return CUDA_SUCCESS;
  });
}

CUresult cuGraphInstantiateWithFlags(CUgraphExec* exec, CUgraph handle, unsigned long long flags) {
  return call("cuGraphInstantiateWithFlags", [&](State& driver, Lock&) {
    requireArgument(exec != nullptr, "exec is null");
    const unsigned long long known = CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH | CUDA_GRAPH_INSTANTIATE_FLAG_USE_NODE_PRIORITY;
    requireArgument((flags & ~known) == 0, "a flag that is not emulated");
    const auto graph = graphOf(driver, handle);
    const auto context = graph->context.lock();
    require(context != nullptr, CUDA_ERROR_CONTEXT_IS_DESTROYED, "the context of the graph was released");
    context->checkUsable();
    auto made = std::make_shared<Exec>();
    made->context = context;
    for (const size_t node : orderOf(*graph, context->settings.machine)) made->steps.push_back(graph->nodes[node].work);
    *exec = driver.execs.add(std::move(made));
    return CUDA_SUCCESS;
  });
}

CUresult cuGraphUpload(CUgraphExec handle, CUstream stream) {
  return call("cuGraphUpload", [&](State& driver, Lock&) {
    const auto exec = driver.execs.find(handle);
    require(exec != nullptr, CUDA_ERROR_INVALID_HANDLE, "not a live executable graph");
    const StreamUse use = streamFor(driver, *exec, stream);
    forbidOnCapturing(use);
    enqueue(use, MarkWork{});
    return CUDA_SUCCESS;
  });
}

CUresult cuGraphLaunch(CUgraphExec handle, CUstream stream) {
  return call("cuGraphLaunch", [&](State& driver, Lock&) {
    const auto exec = driver.execs.find(handle);
    require(exec != nullptr, CUDA_ERROR_INVALID_HANDLE, "not a live executable graph");
    const StreamUse use = streamFor(driver, *exec, stream);
    require(!use.stream->capture, CUDA_ERROR_NOT_SUPPORTED, "graphs inside of graphs are not emulated");
    for (const Work& step : exec->steps) {
      const auto* kernel = std::get_if<KernelWork>(&step);
      if (kernel == nullptr || !kernel->module->unloaded) continue;
      throw Failure{CUDA_ERROR_INVALID_HANDLE, "the module of " + kernel->function->name + " was unloaded"};
    }
    std::vector<std::shared_ptr<Completion>> after;
    if (exec->last && !exec->last->done) after.push_back(exec->last);
    exec->last = enqueue(use, GraphWork{exec}, std::move(after));
    driver.graph_launches++;
    return CUDA_SUCCESS;
  });
}

CUresult cuGraphExecDestroy(CUgraphExec handle) {
  return call("cuGraphExecDestroy", [&](State& driver, Lock&) {
    require(driver.execs.remove(handle) != nullptr, CUDA_ERROR_INVALID_HANDLE, "not a live executable graph");
    return CUDA_SUCCESS;
  });
}

CUresult cuGraphDestroy(CUgraph handle) {
  return call("cuGraphDestroy", [&](State& driver, Lock&) {
    require(driver.graphs.remove(handle) != nullptr, CUDA_ERROR_INVALID_HANDLE, "not a live graph");
    return CUDA_SUCCESS;
  });
}
