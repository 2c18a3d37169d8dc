#ifndef UFFIZI_ENGINE_STOPWATCH_H_
#define UFFIZI_ENGINE_STOPWATCH_H_

#include <chrono>

namespace uffizi {

class Stopwatch {
 public:
  double Seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace uffizi

#endif  // UFFIZI_ENGINE_STOPWATCH_H_
