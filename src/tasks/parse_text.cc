#include "tasks/parsers.h"
#include "tasks/strings.h"

namespace uffizi {

std::string ParseText(std::string_view raw) {
  return std::string(Strip(Without("</s>", Without("<s>", raw))));
}

}  // namespace uffizi
