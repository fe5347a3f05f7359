#include "dataplane/engines/python/worker.h"
namespace mk::dataplane::python {
Result<std::unique_ptr<Engine>> start_worker(WorkerOptions) { return fail(Code::kUnimplemented, "x", "x"); }
}
