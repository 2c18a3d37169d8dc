#ifndef UFFIZI_APPS_BENCH_SERVER_H_
#define UFFIZI_APPS_BENCH_SERVER_H_

#include <string>
#include <vector>

#include "engine/questions.h"
#include "uffizi/engine.h"

namespace uffizi::cli {

// `uffizi bench --server`: how a server does under load.
struct BenchServerOptions {
  std::string server;  // "": none is asked
  std::string api_key_file;
  std::string expect;  // records that `annotate --format jsonl` wrote; "": none
  int connections = 8;
  double rate = 0;  // requests a second, come what may; 0: the next when the last is answered
  double seconds = 10;
  size_t requests = 0;  // 0: as many as the seconds allow
  bool json = false;
};

// Sends pictures with questions, and tells what came of it. Returns an exit code: some failed if a
// request was not answered or, with `expect`, answered otherwise.
int BenchServer(const BenchServerOptions& options, const std::vector<std::string>& pictures,
                const std::vector<Question>& questions, const GenerationOptions& generation);

}  // namespace uffizi::cli

#endif  // UFFIZI_APPS_BENCH_SERVER_H_
