// Every named study: a new one is its file in studies/ and its line here.

#include "cli/studies/all.h"
#include "cli/study.h"

namespace plimsoll::cli {

std::span<const Study> studies() {
  static const std::vector<Study> all = {
      openb_study,
      gangs_study,
      jobs_study,
  };
  return all;
}

}  // namespace plimsoll::cli
