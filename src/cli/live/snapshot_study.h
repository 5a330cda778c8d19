// `plimsoll simulate FILE.snapshot`: what each policy would make of what waits in a snapshot.
#pragma once

#include <string>

#include "base/result.h"
#include "cli/study.h"
#include "model/snapshot.h"

namespace plimsoll::cli {

// Every policy starts from `snapshot`, in which what runs goes on running and nothing comes, and
// takes turns until it finds nothing more to do. `name` is what the result is called.
Result<StudyResult> run_snapshot(const model::Snapshot& snapshot, const std::string& name,
                                 const StudyContext& context);

}  // namespace plimsoll::cli
