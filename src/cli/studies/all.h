// Every study in this folder, for the registry.
#pragma once

#include "cli/study.h"

namespace plimsoll::cli {

extern const Study gangs_study;
extern const Study jobs_study;
extern const Study openb_study;

}  // namespace plimsoll::cli
