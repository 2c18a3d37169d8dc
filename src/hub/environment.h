#ifndef UFFIZI_HUB_ENVIRONMENT_H_
#define UFFIZI_HUB_ENVIRONMENT_H_

#include <cstdlib>
#include <initializer_list>
#include <string>

namespace uffizi {

// The first of these environment variables that is set and not empty, else "".
inline std::string Environment(std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (const char* value = std::getenv(name); value != nullptr && *value != '\0') return value;
  }
  return "";
}

}  // namespace uffizi

#endif  // UFFIZI_HUB_ENVIRONMENT_H_
